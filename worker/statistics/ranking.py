"""Who comes first: songs, artists or albums by listens, for one user or for everyone, from the rollups of days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, Select, cast, func, literal, null, select

from worker.models import Song
from worker.statistics.listening import Listening, OfEveryone, OfUser
from worker.statistics.periods import Span


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
    Subject.ARTIST: func.coalesce(Song.artist_identity, Song.identity),
    Subject.ALBUM: Song.__table__.c.album_identity,
}
_TITLE: Final[Mapping[Subject, ColumnElement[Any]]] = {
    Subject.SONG: Song.__table__.c.title,
    Subject.ARTIST: null(),
    Subject.ALBUM: Song.__table__.c.album,
}


def ranking(listening: Listening, subject: Subject, span: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places of a span, computed from the days.

    Costs a look at each song of each day of the span. Whoever asks for everyone takes the charts instead.
    """
    if subject is Subject.SONG and isinstance(listening, OfUser):
        ranked = _ordered(_songs(listening, span), most)
    else:
        ranked = _ordered(_grouped(listening, subject, span), most)
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


def _songs(listening: Listening, span: Span) -> _Sums:
    """The sums of each song; for everyone those of each song and listener.

    Songs are added up before they are joined, because a history has many more days of songs than songs. Listeners are
    then told apart again, since two songs of an artist may have the same ones.
    """
    song = listening.songs(span.first, span.last).c
    # A sum of bigints is numeric in PostgreSQL, which costs as much as all the rest. A double adds milliseconds exactly
    # for 285,000 years, and nobody plays one song two billion times.
    sums = (
        cast(func.sum(song.plays), Integer).label("plays"),
        cast(func.sum(song.listens), Integer).label("listens"),
        func.sum(cast(song.ms_played, Double)).label("ms_played"),
    )
    if isinstance(listening, OfEveryone):
        return select(song.song_id, song.user_id, *sums).group_by(song.song_id, song.user_id)
    return select(song.song_id, literal(1).label("listeners"), *sums).group_by(song.song_id)


def _grouped(listening: Listening, subject: Subject, span: Span) -> _Sums:
    heard = _songs(listening, span).subquery().c
    listeners = func.count(heard.user_id.distinct()) if isinstance(listening, OfEveryone) else literal(1)
    sums = (func.sum(heard[name]).label(name) for name in ("plays", "listens", "ms_played"))
    grouped = (
        select(func.min(Song.id).label("song_id"), listeners.label("listeners"), *sums)
        .join(Song, Song.id == heard.song_id)
        .group_by(_KEY[subject])
    )
    # Asked of the sums, because asking each song of the catalogue whether it has an album costs a tenth of the answer.
    return grouped.having(func.count(Song.album_identity) > 0) if subject is Subject.ALBUM else grouped


def _ordered(sums: _Sums, most: int) -> _Sums:
    """By listens, then plays, then who was there first, so that a chart has one order only."""
    heard = sums.selected_columns
    ranked = sums.having(heard.listens > 0).order_by(heard.listens.desc(), heard.plays.desc(), heard.song_id)
    return ranked.limit(most)
