"""Who comes first: songs, artists or albums by listens, for one user or for everyone, from the rollups of days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final

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
from worker.statistics.questions.sources import Listening, RollupsOnly, UserListening
from worker.statistics.sql import ARTIST, grouped


@unique
class Subject(StrEnum):
    SONG = "song"
    ARTIST = "artist"
    ALBUM = "album"


@dataclass(frozen=True)
class Place:
    """One line of a chart. `title` is the song's or the album's, None for an artist; `listeners` counts users."""

    place: int
    artist: str
    title: str | None
    plays: int
    listens: int
    ms_played: int
    listeners: int


_Sums = Select[*tuple[Any, ...]]

# What a subject is told apart by, and what it is called. Of several spellings the song that came first gives its own.
_KEY: Final[Mapping[Subject, ColumnElement[Any]]] = {
    Subject.SONG: Song.__table__.c.id,
    Subject.ARTIST: ARTIST,
    Subject.ALBUM: Song.__table__.c.album_identity,
}
_TITLE: Final[Mapping[Subject, ColumnElement[Any]]] = {
    Subject.SONG: Song.__table__.c.title,
    Subject.ARTIST: null(),
    Subject.ALBUM: Song.__table__.c.album,
}


def ranking(listening: Listening | RollupsOnly, subject: Subject, span: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places of a span, computed from the days.

    Costs a look at each song of each day of the span. Charts are drawn with it, and whoever asks for everyone reads
    those.
    """
    if subject is Subject.SONG and isinstance(listening, UserListening):
        ranked = _ordered(grouped(listening.heard(span.first, span.last).songs, _songs), most)
    else:
        ranked = _ordered(_subjects(listening, subject, span), most)
    # Named after the first ones are known: the catalogue is larger than any chart.
    place = ranked.subquery().c
    rows = listening.connection.execute(
        select(
            Song.artist, _TITLE[subject].label("title"), cast(place.plays, BigInteger).label("plays"),
            cast(place.listens, BigInteger).label("listens"), cast(place.ms_played, BigInteger).label("ms_played"),
            place.listeners,
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
    # A sum of bigints is numeric in PostgreSQL, which costs as much as all the rest. A double adds milliseconds exactly
    # for 285,000 years, and nobody plays one song two billion times.
    return (
        cast(func.sum(rows.c.plays), Integer).label("plays"),
        cast(func.sum(rows.c.listens), Integer).label("listens"),
        func.sum(cast(rows.c.ms_played, Double)).label("ms_played"),
    )


def _subjects(listening: Listening | RollupsOnly, subject: Subject, span: Span) -> _Sums:
    """The sums of each artist or album, and for everyone of each song.

    Songs are added up before they are joined, because a history has many more days of songs than songs. For everyone
    their listeners are then told apart again, since two songs of an artist may have the same ones.
    """
    everyone = not isinstance(listening, UserListening)
    add_up = _songs_of_listeners if everyone else _songs
    parts = (_filed(add_up(rows).subquery(), subject) for rows in listening.heard(span.first, span.last).songs)
    song = union_all(*parts).subquery().c
    listeners = func.count(song.user_id.distinct()) if everyone else literal(1)
    sums = (func.sum(song[name]).label(name) for name in ("plays", "listens", "ms_played"))
    return (
        select(func.min(song.song_id).label("song_id"), listeners.label("listeners"), *sums)
        .group_by(song.filed_under)
        # Asked of the sums: to ask each song of the catalogue whether it has an album costs a tenth of the answer.
        .having(func.count(song.filed_under) > 0)
    )


def _filed(heard: Subquery, subject: Subject) -> _Sums:
    """The sums of songs with what they are filed under.

    Each part is joined by itself: of a union PostgreSQL does not know that each song is in it but once or twice.
    """
    return select(*heard.c, _KEY[subject].label("filed_under")).join(Song, Song.id == heard.c.song_id)


def _ordered(sums: _Sums, most: int) -> _Sums:
    """By listens, then plays, then who was there first, so that a chart has one order only."""
    heard = sums.selected_columns
    ranked = sums.having(heard.listens > 0).order_by(heard.listens.desc(), heard.plays.desc(), heard.song_id)
    return ranked.limit(most)
