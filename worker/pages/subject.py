"""The page of one song, artist or album: how much a listener heard of it, when first and last, and in which months."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from worker.report.shades import Shades
from worker.statistics import (
    Day,
    Heard,
    Period,
    Place,
    Span,
    Subject,
    UserListening,
    counted_artist,
    days_of_song,
    first_listed,
    heard,
    songs_of,
)

_MOST_SONGS: Final = 50
_MOST_DAYS: Final = 50
_MONTHS: Final = range(1, 13)


@dataclass(frozen=True)
class MonthCell:
    month: date
    level: int
    listens: int


@dataclass(frozen=True)
class SubjectPage:
    """`years` has a row of twelve months for each year, latest first.

    `days` has the latest days on which a song was played, and is empty for artists and albums. `songs` is empty for a
    song.
    """

    subject: Subject
    identity: UUID
    heard: Heard
    years: Sequence[tuple[int, Sequence[MonthCell]]]
    songs: Sequence[Place]
    days: Sequence[Day]


def subject_page(of: UserListening, subject: Subject, identity: UUID) -> SubjectPage | None:
    """None if the listener has not played it.

    A name such as `A & B`, which counts for none if clients list its artists, leads to the first of them.
    """
    if subject is Subject.ARTIST:
        identity = counted_artist(of.connection, identity)
    found = heard(of, subject, identity)
    if found is None and subject is Subject.ARTIST and (listed := first_listed(of.connection, identity)):
        identity = listed
        found = heard(of, subject, identity)
    if found is None:
        return None
    years = _years(found.months, found.first_day.year, found.last_day.year)
    if subject is Subject.SONG:
        played = days_of_song(of, found.artist, found.title or "", Span(Period.ALL, found.first_day, found.last_day))
        return SubjectPage(subject, identity, found, years, songs=(), days=played[: -_MOST_DAYS - 1 : -1])
    return SubjectPage(subject, identity, found, years, songs_of(of, subject, identity, most=_MOST_SONGS), days=())


def _years(months: Mapping[date, int], first: int, last: int) -> Sequence[tuple[int, Sequence[MonthCell]]]:
    # Of the different counts: one listen in most months and three in one are to look different.
    shades = Shades.of(set(months.values()))

    def cell(month: date) -> MonthCell:
        listens = months.get(month, 0)
        return MonthCell(month, shades.level(listens), listens)

    return [(year, [cell(date(year, month, 1)) for month in _MONTHS]) for year in range(last, first - 1, -1)]
