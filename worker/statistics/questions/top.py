"""Rank songs, artists or albums by listens, plays or time, for one user or for everyone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    null,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute

from worker.models import Merge, Song, Track, TrackArtist
from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening, RollupsOnly
from worker.statistics.sql import ARTIST, LISTED_BY, credited, grouped


@unique
class Subject(StrEnum):
    SONG = "song"
    ARTIST = "artist"
    ALBUM = "album"


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
    ranking = _Ranking(listening.connection, subject, (*_ORDER[by], "day"))
    sums = _sums_of(listening, subject, span).subquery()
    if subject is Subject.SONG:
        # Without the identities, which stand in the catalogue: most rankings can tell who has the last place.
        rows = ranking.first(select(sums), sums.c.song_id, most + 1)
        if len(rows) > most and all(rows[most - 1][name] == rows[most][name] for name in ranking.order):
            identified = select(sums).join(Song, Song.id == sums.c.song_id)
            rows = ranking.first(identified, Song.identity, most)
    else:
        rows = ranking.first(select(sums), sums.c.filed_under, most)
    names = [each.name for each in fields(Place)][1:]
    return [Place(number, *(row[name] for name in names)) for number, row in enumerate(rows[:most], start=1)]


class _Ranking(NamedTuple):
    """The order of a ranking: by the sums of these names, the largest first, then by a last resort."""

    connection: Connection
    subject: Subject
    order: Sequence[str]

    def first(self, sums: _Sums, last_resort: _Column, most: int) -> Sequence[RowMapping]:
        """The first `most` rows with names. Joins names to these only: the catalogue is larger than any chart."""
        column = sums.selected_columns
        ranked = sums.where(column[self.order[0]] > 0).order_by(*self._by(column.values()), last_resort).limit(most)
        place = ranked.subquery()
        named = _NAMED[self.subject](place)
        numbers = (cast(place.c[name], BigInteger).label(name) for name in ("plays", "listens", "ms_played"))
        answer = named.add_columns(*numbers, place.c.listeners, place.c.day)
        ordered = answer.order_by(*self._by(place.c), named.selected_columns.identity)
        return self.connection.execute(ordered).mappings().all()

    def _by(self, columns: Iterable[ColumnElement[Any]]) -> Iterator[ColumnElement[Any]]:
        named = {column.key: column for column in columns}
        return (named[name].desc().nulls_last() for name in self.order)


def _sums_of(listening: Listening | RollupsOnly, subject: Subject, span: Span) -> _Sums:
    """The sums of each song, artist or album, its listeners, and the day of its latest listen.

    Sums up tracks before it joins them: a history has many more days of songs than songs. For everyone it sums up each
    listener by themselves, because two songs of an artist may have the same listeners.
    """
    everyone = listening.covers_everyone
    parts = listening.rollups(span.first, span.last).songs
    if subject is Subject.SONG and not everyone:
        return grouped(parts, lambda rows: _summed(rows, rows.c.song_id).add_columns(literal(1).label("listeners")))
    # Joins each part by itself: PostgreSQL cannot know that a union holds each track once or twice. OFFSET 0 hides the
    # key, else it would expect a group for each track, and sort them.
    heard = (_heard(rows, subject, everyone=everyone) for rows in parts)
    filed = union_all(*(select(_FILED[subject](each).offset(0).subquery()) for each in heard)).subquery()
    listeners = (func.count(filed.c.user_id.distinct()) if everyone else literal(1)).label("listeners")
    if subject is Subject.SONG:
        return _summed(filed, filed.c.song_id).add_columns(listeners)
    oldest = (func.min(filed.c[name]).label(name) for name in ("song_id", "track_id"))
    # Filters the sums, not the tracks: testing each track takes a tenth of the time.
    filed_under = filed.c.filed_under
    return _summed(filed, filed_under).add_columns(listeners, *oldest).having(func.count(filed_under) > 0)


def _heard(rows: Subquery, subject: Subject, *, everyone: bool) -> Subquery:
    """The sums of each song, for artists and albums of each track of it, and for everyone of each listener."""
    key = [rows.c.song_id] + [rows.c.track_id] * (subject is not Subject.SONG) + [rows.c.user_id] * everyone
    return _summed(rows, *key).subquery()


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


def _under_artists(heard: Subquery) -> _Sums:
    """Each track under each of its artists. `song_id` or `track_id` says where the artist's name is found."""
    sums = (column for column in heard.c if column.name not in {"song_id", "track_id"})
    song_id = case((LISTED_BY.is_(None), heard.c.song_id)).label("song_id")
    return credited(heard, *sums, song_id, LISTED_BY.label("track_id"), ARTIST.label("filed_under"))


def _under_albums(heard: Subquery) -> _Sums:
    return select(*heard.c, Track.album_identity.label("filed_under")).join(Track, Track.id == heard.c.track_id)


_FILED: Final[Mapping[Subject, Callable[[Subquery], _Sums]]] = {
    Subject.SONG: select,
    Subject.ARTIST: _under_artists,
    Subject.ALBUM: _under_albums,
}


def _songs_named(first: Subquery) -> _Sums:
    return select(Song.artist, Song.title, Song.identity).join(first, first.c.song_id == Song.id)


def _artists_named(first: Subquery) -> _Sums:
    """The name that others were merged into, else of several spellings the one that was recorded first.

    The first that was a song's own artist, if there is one.
    """
    listed = (
        select(TrackArtist.name)
        .where(TrackArtist.track_id == first.c.track_id, TrackArtist.artist_identity == first.c.filed_under)
        .order_by(TrackArtist.position)
        .limit(1)
        .scalar_subquery()
    )
    merged = (
        select(func.min(Merge.into_artist))
        .where(Merge.subject == Subject.ARTIST.value, Merge.into_identity == first.c.filed_under)
        .scalar_subquery()
    )
    name = func.coalesce(merged, Song.artist, listed).label("artist")
    return select(name, null().label("title"), first.c.filed_under.label("identity")).outerjoin_from(
        first, Song, Song.id == first.c.song_id
    )


def _albums_named(first: Subquery) -> _Sums:
    """Of several spellings, the one that zik recorded first."""
    artist = func.coalesce(Track.album_artist, Track.artists[0].as_string(), Song.artist).label("artist")
    return (
        select(artist, Track.album.label("title"), first.c.filed_under.label("identity"))
        .join(first, first.c.track_id == Track.id)
        .join(Song, Song.id == Track.song_id)
    )


_NAMED: Final[Mapping[Subject, Callable[[Subquery], _Sums]]] = {
    Subject.SONG: _songs_named,
    Subject.ARTIST: _artists_named,
    Subject.ALBUM: _albums_named,
}
