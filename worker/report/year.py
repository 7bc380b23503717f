"""Ask all questions of the report about one year or month, of one listener or of everyone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from worker.errors import ZikError
from worker.escaping import printable
from worker.report.before import Before, before_of
from worker.report.personal import Personal, personal_of
from worker.report.spans import title_of
from worker.statistics import (
    ArtistPart,
    Day,
    Listener,
    Listening,
    NamedAlbums,
    Period,
    Place,
    Span,
    Subject,
    Totals,
    UserListening,
    WeekHour,
    artist_parts,
    days,
    days_of_song,
    first_artists,
    named_albums,
    span,
    top,
    totals,
    week_hours,
)

_PLACES: Final = 10
# Top albums of fewer listens would be a chart of how players tag.
_MOST_NAME_ONE: Final = 0.5


@dataclass(frozen=True)
class Part:
    """A month of a year, or a day of a month, with its first artist: None without a listen."""

    span: Span
    artist: Place | None


@dataclass(frozen=True)
class BiggestDay:
    """The day with the most listens, of equal ones the first, and its first song."""

    day: Day
    song: Place


@dataclass(frozen=True)
class Year:
    """The answers about a year, or a month. `listener` and `personal` are None for everyone.

    `today` ends a span that is not over. `parts` have the artist of each month, in a month of each day. `song_days` are
    those of the first song.
    """

    listener: Listener | None
    span: Span
    today: date
    totals: Totals
    days: Sequence[Day]
    hours: Sequence[WeekHour]
    tops: Mapping[Subject, Sequence[Place]]
    albums: NamedAlbums
    parts: Sequence[Part]
    biggest: BiggestDay | None
    song_days: Sequence[Day]
    before: Before | None
    personal: Personal | None

    @property
    def number(self) -> int:
        return self.span.first.year

    @property
    def runs(self) -> bool:
        """Whether the span is not over."""
        return self.today < self.span.last

    @property
    def names_albums(self) -> bool:
        return self.albums.named >= _MOST_NAME_ONE * self.albums.listens


def year_of(listening: UserListening, listener: Listener, year: int, *, today: date) -> Year:
    """The answers for one calendar year of one user, see `report_of`."""
    return report_of(listening, listener, span(Period.YEAR, date(year, 1, 1)), today=today)


def report_of(listening: Listening, listener: Listener | None, wanted: Span, *, today: date) -> Year:
    """The answers about a year or a month. Costs some forty questions.

    For everyone, places are those of the charts: up to an hour old, and none where no chart is drawn yet.

    Raises:
        ZikError: there are no plays in that span.
    """
    found = totals(listening, wanted)
    if not found.plays:
        raise _no_plays(listener, wanted)
    by_day = days(listening, wanted.first, wanted.last)
    artists = [] if listening.covers_everyone else artist_parts(listening, wanted)
    tops = {subject: top(listening, subject, wanted, most=_PLACES) for subject in Subject}
    first = next(iter(tops[Subject.SONG]), None)
    return Year(
        listener=listener,
        span=wanted,
        today=today,
        totals=found,
        days=by_day,
        hours=week_hours(listening, wanted),
        tops=tops,
        albums=named_albums(listening, wanted),
        parts=list(_parts(listening, wanted, artists)),
        biggest=_biggest(listening, by_day),
        song_days=days_of_song(listening, first.artist, first.title or "", wanted) if first else [],
        before=before_of(listening, wanted, tops=tops, today=today),
        personal=None if listening.covers_everyone else personal_of(listening, wanted, artists=artists, today=today),
    )


def _no_plays(listener: Listener | None, wanted: Span) -> ZikError:
    if listener is None:
        return ZikError(f"no plays in {title_of(wanted)}; `zik stats` shows the days that have plays")
    name, when = printable(listener.username), title_of(wanted)
    return ZikError(f"no plays of {name} in {when}; `zik stats --user {name}` shows the days that have plays")


def _parts(listening: Listening, wanted: Span, artists: Sequence[ArtistPart]) -> Iterator[Part]:
    period = Period.MONTH if wanted.period is Period.YEAR else Period.DAY
    parts = sorted({span(period, day) for day in wanted.days()}, key=lambda part: part.first)
    first = {} if listening.covers_everyone else first_artists(listening, artists)
    for part in parts:
        if listening.covers_everyone:
            yield Part(part, next(iter(top(listening, Subject.ARTIST, part, most=1)), None))
        else:
            yield Part(part, first.get(part.first))


def _biggest(listening: Listening, by_day: Sequence[Day]) -> BiggestDay | None:
    day = max(by_day, key=lambda each: each.listens)
    songs = top(listening, Subject.SONG, span(Period.DAY, day.day), most=1)
    return BiggestDay(day, songs[0]) if songs else None
