"""Every question answered in plain Python over the plays: slow, and simple enough to be right."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from worker.statistics import Span

DAY = timedelta(days=1)


def canonical(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


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

    @cached_property
    def day(self) -> date:
        return self.local.date()

    @cached_property
    def song_name(self) -> Name:
        return Name(canonical(self.artist), canonical(self.title))

    @cached_property
    def artist_name(self) -> Name:
        return Name(canonical(self.artist), None)

    @cached_property
    def album_name(self) -> Name | None:
        return None if self.album is None else Name(canonical(self.artist), canonical(self.album))


def local_time(at: datetime, offset_minutes: int | None, preferred: str | None) -> datetime:
    """By the offset of the event, else by the user's timezone, else UTC. `at` is aware."""
    if offset_minutes is not None:
        return at.astimezone(timezone(timedelta(minutes=offset_minutes)))
    return at.astimezone(ZoneInfo(preferred or "UTC"))


def is_listen(ms_played: int | None, duration_ms: int | None) -> bool:
    if ms_played is None:
        return True
    return ms_played >= 30_000 if duration_ms is None else 2 * ms_played >= duration_ms or ms_played >= 240_000


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

    def ranked(self, name: Callable[[PlainPlay], Name | None]) -> dict[Name, tuple[int, int, int, int]]:
        """Plays, listens, time and listeners of each name with a listen."""
        groups = defaultdict[Name, list[PlainPlay]](list)
        for play in self.plays:
            key = name(play)
            if key is not None:
                groups[key].append(play)
        return {
            key: (*Plain(plays).sums(), len({play.user for play in plays}))
            for key, plays in groups.items()
            if any(play.is_listen for play in plays)
        }

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
