"""Rank songs, artists or albums by listens, plays or time, for one user or for everyone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Integer,
    RowMapping,
    Select,
    Subquery,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening, RollupsOnly
from worker.statistics.questions.subjects import Subject, filed, named
from worker.statistics.sql import grouped


@unique
class By(StrEnum):
    """What comes first in a ranking."""

    LISTENS = "listens"
    PLAYS = "plays"
    TIME = "time"


@dataclass(frozen=True)
class Place:
    """One place of a ranking. `title` is the song's or the album's, None for an artist. `listeners` counts users.

    `identity` is that of the song, the artist or the album.
    """

    place: int
    artist: str
    title: str | None
    plays: int
    listens: int
    ms_played: int
    listeners: int
    identity: UUID


_Sums = Select[*tuple[Any, ...]]
_Column = ColumnElement[Any] | InstrumentedAttribute[Any]

_FILED: Final = ("filed_under", "named_song_id", "named_track_id", "day", "plays", "listens", "ms_played")
_NO_LIMIT: Final = 2**31 - 1
# So many songs more than wanted are looked at, to order those that are even with the last place by identity.
_EVEN: Final = 100

# The sums that a ranking is ordered by. Only what has the first of them gets a place.
_ORDER: Final[Mapping[By, Sequence[str]]] = {
    By.LISTENS: ("listens", "plays", "ms_played"),
    By.PLAYS: ("plays", "listens", "ms_played"),
    By.TIME: ("ms_played", "listens", "plays"),
}


def rank(
    listening: Listening | RollupsOnly, subject: Subject, span: Span, *, most: int, by: By = By.LISTENS
) -> Sequence[Place]:
    """The first `most` places of a span, computed from the days.

    Ties go to the one with the latest listen, and on the same day by identity: no place depends on the order in which
    plays were recorded. Costs a look at each track of each day of the span. For everyone, read the chart that is drawn
    with it: `charts.top`.
    """
    summed, parts = listening.rollups(span.first, span.last).filed(subject)
    if subject is Subject.SONG and by is By.LISTENS:
        summed = _heard_enough(summed, parts, most)
    sums = sums_of(parts, subject, summed=summed, everyone=listening.covers_everyone)
    return first_places(listening.connection, with_any(sums, by), subject, most=most, by=by)


def with_any(sums: _Sums, by: By) -> _Sums:
    """The sums of those that have a listen, a play or any time."""
    each = sums.subquery()
    return select(each).where(each.c[_ORDER[by][0]] > 0)


def first_places(
    connection: Connection, sums: _Sums, subject: Subject, *, most: int, by: By = By.LISTENS
) -> Sequence[Place]:
    """The first `most` places of the rows of `sums_of`, or of some of them."""
    ranking, each = _Ranking(connection, subject, (*_ORDER[by], "day")), sums.subquery()
    if subject is Subject.SONG:
        # Without the identities, which stand in the catalogue: few songs are even with the last place.
        rows = ranking.first(select(each), each.c.song_id, most + _EVEN)
        if len(rows) == most + _EVEN and all(rows[most - 1][name] == rows[-1][name] for name in ranking.order):
            identified = select(each).join(Song, Song.id == each.c.song_id)
            rows = ranking.first(identified, Song.identity, most)
    else:
        rows = ranking.first(select(each), each.c.filed_under, most)
    names = [column.name for column in fields(Place)][1:]
    return [Place(number, *(row[name] for name in names)) for number, row in enumerate(rows[:most], start=1)]


class _Ranking(NamedTuple):
    """The order of a ranking: by the sums of these names, the largest first, then by a last resort."""

    connection: Connection
    subject: Subject
    order: Sequence[str]

    def first(self, sums: _Sums, last_resort: _Column, most: int) -> Sequence[RowMapping]:
        """The first `most` rows with names. Joins names to these only: the catalogue is larger than any chart."""
        column = sums.selected_columns
        ranked = sums.order_by(*self._by(column.values()), last_resort).limit(most)
        place = ranked.subquery()
        names = named(place, self.subject)
        numbers = (cast(place.c[name], BigInteger).label(name) for name in ("plays", "listens", "ms_played"))
        answer = names.add_columns(*numbers, place.c.listeners, place.c.day)
        ordered = answer.order_by(*self._by(place.c), names.selected_columns.identity)
        return self.connection.execute(ordered).mappings().all()

    def _by(self, columns: Iterable[ColumnElement[Any]]) -> Iterator[ColumnElement[Any]]:
        named = {column.key: column for column in columns}
        return (named[name].desc().nulls_last() for name in self.order)


def sums_of(
    parts: Sequence[Subquery], subject: Subject, *, summed: Sequence[Subquery] = (), everyone: bool = False
) -> _Sums:
    """The sums of each song, artist or album, its listeners, and the day of its latest listen.

    Sums up tracks before it joins them: a history has many more days of songs than songs. For everyone it sums up each
    listener by themselves, because two songs of an artist may have the same listeners. `summed` has rows that are filed
    already.
    """
    if subject is Subject.SONG:
        return _songs([*map(_of_songs, summed), *parts], everyone=everyone)
    # Joins each part by itself: PostgreSQL cannot know that a union holds each track once or twice. LIMIT hides the
    # key, else it would expect a group for each track, and sort them.
    heard = (_heard(rows, rows.c.song_id, rows.c.track_id, everyone=everyone) for rows in parts)
    filed_now = [filed(rows, subject).limit(_NO_LIMIT).subquery() for rows in heard]
    names = (*_FILED, *["user_id"] * everyone)
    each = union_all(*(select(*(rows.c[name] for name in names)) for rows in (*summed, *filed_now))).subquery()
    listeners = func.count(each.c.user_id.distinct()) if everyone else literal(1)
    named_by = (func.min(each.c[name]).label(name) for name in ("named_song_id", "named_track_id"))
    # Filters the sums, not the tracks: testing each track takes a tenth of the time.
    key = each.c.filed_under
    return _summed(each, key).add_columns(listeners.label("listeners"), *named_by).having(func.count(key) > 0)


def _heard_enough(summed: Sequence[Subquery], parts: Sequence[Subquery], most: int) -> Sequence[Subquery]:
    """Without the songs that can get none of the first `most` places: most songs are heard a few times.

    So many others have so many listens in the sums alone that whatever a song has in the other parts cannot make up for
    it.
    """
    if len(summed) != 1:
        return summed
    (song,) = summed
    last = select(song.c.listens).order_by(song.c.listens.desc()).offset(most + _EVEN - 1).limit(1).scalar_subquery()
    more: ColumnElement[int] | int = 0
    if parts:
        later = grouped(parts, lambda rows: _summed(rows, rows.c.song_id)).subquery().c
        more = func.coalesce(select(func.max(later.listens)).scalar_subquery(), 0)
    return [select(song).where(song.c.listens >= func.coalesce(last, 0) - more).subquery()]


def _of_songs(summed: Subquery) -> Subquery:
    """Sums of songs as rows of tracks."""
    row = summed.c
    names = (row.user_id, row.named_song_id.label("song_id"), row.day, row.plays, row.listens, row.ms_played)
    return select(*names).subquery()


def _songs(parts: Sequence[Subquery], *, everyone: bool) -> _Sums:
    if everyone:
        each = union_all(*(select(_heard(rows, rows.c.song_id, everyone=True)) for rows in parts)).subquery()
        sums = _summed(each, each.c.song_id).add_columns(func.count(each.c.user_id.distinct()).label("listeners"))
    else:
        sums = grouped(parts, lambda rows: _summed(rows, rows.c.song_id)).add_columns(literal(1).label("listeners"))
    song = sums.subquery()
    return select(song, song.c.song_id.label("named_song_id"))


def _heard(rows: Subquery, *key: ColumnElement[Any], everyone: bool) -> Subquery:
    """The sums of each key, and for everyone of each listener."""
    return _summed(rows, *key, *[rows.c.user_id] * everyone).subquery()


def _summed(rows: Subquery, *key: ColumnElement[Any]) -> _Sums:
    # PostgreSQL's sum of bigints is numeric, which costs as much as all the rest. A double adds milliseconds exactly up
    # to 285,000 years, and an integer holds two billion plays of one song.
    return select(
        *key,
        cast(func.sum(rows.c.plays), Integer).label("plays"),
        cast(func.sum(rows.c.listens), Integer).label("listens"),
        func.sum(cast(rows.c.ms_played, Double)).label("ms_played"),
        func.max(case((rows.c.listens > 0, rows.c.day))).label("day"),
    ).group_by(*key)
