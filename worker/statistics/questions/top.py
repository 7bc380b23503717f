"""Rank songs, artists or albums by listens, for one user or for everyone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Select,
    Subquery,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening, RollupsOnly
from worker.statistics.sql import ARTIST, grouped


@unique
class Subject(StrEnum):
    SONG = "song"
    ARTIST = "artist"
    ALBUM = "album"


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

# What a subject is grouped by, and its title. Of several spellings, the song that zik recorded first has the right one.
_KEY: Final[Mapping[Subject, ColumnElement[Any]]] = {
    Subject.SONG: Song.__table__.c.id,
    Subject.ARTIST: ARTIST,
    Subject.ALBUM: Song.__table__.c.album_identity,
}
_IDENTITY: Final[Mapping[Subject, ColumnElement[Any]]] = {**_KEY, Subject.SONG: Song.__table__.c.identity}
_TITLE: Final[Mapping[Subject, ColumnElement[Any]]] = {
    Subject.SONG: Song.__table__.c.title,
    Subject.ARTIST: null(),
    Subject.ALBUM: Song.__table__.c.album,
}


def rank(listening: Listening | RollupsOnly, subject: Subject, span: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places of a span, computed from the days.

    Costs a look at each song of each day of the span. For everyone, read the chart that is drawn with it: `charts.top`.
    """
    if subject is Subject.SONG and not listening.covers_everyone:
        ranked = _ordered(grouped(listening.rollups(span.first, span.last).songs, _songs), most)
    else:
        ranked = _ordered(_subjects(listening, subject, span), most)
    # Join names to the first places only: the catalogue is larger than any chart.
    place = ranked.subquery().c
    rows = listening.connection.execute(
        select(
            Song.artist, _TITLE[subject].label("title"), cast(place.plays, BigInteger).label("plays"),
            cast(place.listens, BigInteger).label("listens"), cast(place.ms_played, BigInteger).label("ms_played"),
            place.listeners, _IDENTITY[subject],
        )
        .join(Song, Song.id == place.song_id)
        .order_by(place.listens.desc(), place.plays.desc(), place.song_id)
    )  # fmt: skip
    return [Place(number, *row) for number, row in enumerate(rows, start=1)]


def _songs(rows: Subquery) -> _Sums:
    """The sums of each song."""
    return select(rows.c.song_id, literal(1).label("listeners"), *_sums(rows)).group_by(rows.c.song_id)


def _songs_of_listeners(rows: Subquery) -> _Sums:
    """The sums of each song and listener."""
    key = (rows.c.song_id, rows.c.user_id)
    return select(*key, *_sums(rows)).group_by(*key)


def _sums(rows: Subquery) -> Sequence[ColumnElement[Any]]:
    # PostgreSQL's sum of bigints is numeric, which costs as much as all the rest. A double adds milliseconds exactly up
    # to 285,000 years, and an integer holds two billion plays of one song.
    return (
        cast(func.sum(rows.c.plays), Integer).label("plays"),
        cast(func.sum(rows.c.listens), Integer).label("listens"),
        func.sum(cast(rows.c.ms_played, Double)).label("ms_played"),
    )


def _subjects(listening: Listening | RollupsOnly, subject: Subject, span: Span) -> _Sums:
    """The sums of each artist or album, and for everyone of each song.

    Sums up songs before it joins them: a history has many more days of songs than songs. For everyone it sums up each
    listener by themselves, because two songs of an artist may have the same listeners.
    """
    everyone = listening.covers_everyone
    add_up = _songs_of_listeners if everyone else _songs
    parts = (_filed(add_up(rows).subquery(), subject) for rows in listening.rollups(span.first, span.last).songs)
    song = union_all(*parts).subquery().c
    listeners = func.count(song.user_id.distinct()) if everyone else literal(1)
    sums = (func.sum(song[name]).label(name) for name in ("plays", "listens", "ms_played"))
    return (
        select(func.min(song.song_id).label("song_id"), listeners.label("listeners"), *sums)
        .group_by(song.filed_under)
        # Filters the sums, not the songs: testing each song of the catalogue takes a tenth of the time.
        .having(func.count(song.filed_under) > 0)
    )


def _filed(sums: Subquery, subject: Subject) -> _Sums:
    """The sums of songs with what they are filed under.

    Joins each part by itself: PostgreSQL cannot know that a union holds each song once or twice.
    """
    return select(*sums.c, _KEY[subject].label("filed_under")).join(Song, Song.id == sums.c.song_id)


def _ordered(sums: _Sums, most: int) -> _Sums:
    """Order by listens, then plays, then the older song, so that a chart has only one order."""
    column = sums.selected_columns
    ranked = sums.having(column.listens > 0).order_by(column.listens.desc(), column.plays.desc(), column.song_id)
    return ranked.limit(most)
