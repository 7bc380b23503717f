"""Every question answered in plain Python over the plays: slow, and simple enough to be right."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import Final, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from worker.contract.identity import album_identity, artist_identity, song_identity
from worker.statistics import By, Span, Subject

DAY = timedelta(days=1)


_APOSTROPHES: Final = "\u2018\u2019\u02bc\u00b4\u0060\u2032"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2212"
_TYPOGRAPHY: Final = str.maketrans({**dict.fromkeys(_APOSTROPHES, "'"), **dict.fromkeys(_DASHES, "-")})


def canonical(text: str) -> str:
    """A name as people compare it: spelled alike but for case, width, space and typography."""
    visible = "".join(char for char in text.translate(_TYPOGRAPHY) if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).casefold().split())


Key = TypeVar("Key")


class Name(NamedTuple):
    """The key of a song, an artist (no title) or an album."""

    artist: str
    title: str | None


@dataclass(frozen=True)
class PlainPlay:
    """One play. `local` is the listener's local time."""

    user: str
    local: datetime
    artist: str
    title: str
    album: str | None
    ms_played: int | None
    is_listen: bool
    artists: tuple[str, ...] = ()
    album_artist: str | None = None

    @cached_property
    def day(self) -> date:
        return self.local.date()

    @cached_property
    def song_name(self) -> Name:
        return Name(canonical(self.artist), canonical(self.title))

    @cached_property
    def artist_names(self) -> set[Name]:
        return {Name(canonical(artist), None) for artist in self.artists or (self.artist,)}

    @cached_property
    def album_name(self) -> Name | None:
        by = self.album_artist or (*self.artists, self.artist)[0]
        return None if self.album is None else Name(canonical(by), canonical(self.album))


NAMES: dict[Subject, Callable[[PlainPlay], Iterable[Name]]] = {
    Subject.SONG: lambda played: [played.song_name],
    Subject.ARTIST: lambda played: played.artist_names,
    Subject.ALBUM: lambda played: [played.album_name] if played.album_name else [],
}
IDENTITIES: dict[Subject, Callable[[Name], str]] = {
    Subject.SONG: lambda name: song_identity(name.artist, name.title or ""),
    Subject.ARTIST: lambda name: artist_identity(name.artist),
    Subject.ALBUM: lambda name: album_identity(name.artist, name.title or ""),
}


class PlainPlace(NamedTuple):
    name: Name
    plays: int
    listens: int
    ms_played: int
    listeners: int
    identity: UUID


def local_time(at: datetime, offset_minutes: int | None, preferred: str | None) -> datetime:
    """By the offset of the event, else by the user's timezone, else UTC. `at` is aware."""
    if offset_minutes is not None:
        return at.astimezone(timezone(timedelta(minutes=offset_minutes)))
    return at.astimezone(ZoneInfo(preferred or "UTC"))


def is_listen(ms_played: int | None, duration_ms: int | None) -> bool:
    if ms_played is None:
        return True
    if duration_ms is None or not 1_000 <= duration_ms <= 86_400_000:
        return ms_played >= 30_000
    return 2 * ms_played >= duration_ms or ms_played >= 240_000


@dataclass(frozen=True)
class Plain:
    """The plays that a question is about."""

    plays: Sequence[PlainPlay]

    def of(self, user: str | None, span: Span | None = None) -> "Plain":
        return Plain(
            [
                play
                for play in self.plays
                if (user is None or play.user == user) and (span is None or span.first <= play.day <= span.last)
            ]
        )

    @property
    def listens(self) -> list[PlainPlay]:
        return [play for play in self.plays if play.is_listen]

    def sums(self) -> tuple[int, int, int]:
        return len(self.plays), len(self.listens), sum(play.ms_played or 0 for play in self.plays)

    def grouped(self, key: Callable[[PlainPlay], Key]) -> dict[Key, tuple[int, int, int]]:
        groups = defaultdict[Key, list[PlainPlay]](list)
        for play in self.plays:
            groups[key(play)].append(play)
        return {name: Plain(plays).sums() for name, plays in groups.items()}

    def ranked(self, names: Callable[[PlainPlay], Iterable[Name]]) -> dict[Name, "Plain"]:
        """The plays of each name."""
        groups = defaultdict[Name, list[PlainPlay]](list)
        for play in self.plays:
            for name in names(play):
                groups[name].append(play)
        return {name: Plain(plays) for name, plays in groups.items()}

    def places(self, subject: Subject, by: By = By.LISTENS) -> list["PlainPlace"]:
        """The whole ranking."""
        groups = self.ranked(NAMES[subject])
        identified = {name: UUID(IDENTITIES[subject](name)) for name in groups}

        def order(name: Name) -> tuple[int, int, int, timedelta, UUID]:
            plays, listens, ms_played = groups[name].sums()
            first = {
                By.LISTENS: (-listens, -plays, -ms_played),
                By.PLAYS: (-plays, -listens, -ms_played),
                By.TIME: (-ms_played, -listens, -plays),
            }
            return *first[by], date.max - (groups[name].latest_listen or date.min), identified[name]

        return [
            PlainPlace(name, *groups[name].sums(), len(groups[name].listeners), identified[name])
            for name in sorted(groups, key=order)
            if order(name)[0]
        ]

    @property
    def listeners(self) -> set[str]:
        return {play.user for play in self.plays}

    @property
    def latest_listen(self) -> date | None:
        return max((play.day for play in self.listens), default=None)

    def first_listens(self) -> dict[Name, date]:
        return {name: day for name, (day, _) in self.first_heard().items()}

    def first_heard(self) -> dict[Name, tuple[date, datetime]]:
        """The first local day with a listen of each song, and when its first listen began."""
        first: dict[Name, tuple[date, datetime]] = {}
        for play in self.listens:
            heard = (play.day, play.local)
            first[play.song_name] = min(heard, first.get(play.song_name, heard))
        return first

    def streaks(self) -> list[tuple[date, date]]:
        """Every run of days with a listen, in order, from the days without a neighbour before or after."""
        days = {play.day for play in self.listens}
        begins = sorted(day for day in days if day - DAY not in days)
        ends = sorted(day for day in days if day + DAY not in days)
        return list(zip(begins, ends, strict=True))


def per(days: Iterable[date], first_of: Callable[[date], date]) -> Iterator[tuple[date, int]]:
    yield from sorted(Counter(first_of(day) for day in days).items())
