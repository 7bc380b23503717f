"""Who comes first: songs, artists or albums by listens, for one user or for everyone, from the rollups of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cache
from typing import Final

from sqlalchemy import BigInteger, Connection, Date, TextClause, bindparam, text

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


# What a subject is told apart by, and what it is called. Of several spellings the song that came first gives its own.
_KEY: Final = {
    Subject.SONG: "song.id",
    Subject.ARTIST: "coalesce(song.artist_identity, song.identity)",
    Subject.ALBUM: "song.album_identity",
}
_TITLE: Final = {Subject.SONG: "namesake.title", Subject.ARTIST: "NULL", Subject.ALBUM: "namesake.album"}

# By listens, then plays, then who was there first, so that a chart has one order only. Songs are added up before
# they are joined, because a history has many more days of songs than songs; their listeners are then told apart
# again, since two songs of an artist may have the same ones.
_ONE_USER: Final = """
    SELECT song_id, NULL AS user_id, sum(plays) AS plays, sum(listens) AS listens, sum(ms_played) AS ms_played
      FROM song_days WHERE user_id = :user_id AND day BETWEEN :first AND :last GROUP BY song_id
"""
_EVERYONE: Final = """
    SELECT song_id, user_id, sum(plays) AS plays, sum(listens) AS listens, sum(ms_played) AS ms_played
      FROM song_days WHERE day BETWEEN :first AND :last GROUP BY song_id, user_id
"""
_RANKING: Final = """
    SELECT place, namesake.artist, {title} AS title, ranked.plays, ranked.listens, ranked.ms_played, listeners
      FROM (SELECT min(song.id) AS song_id, CAST(sum(plays) AS bigint) AS plays,
                   CAST(sum(listens) AS bigint) AS listens, CAST(sum(ms_played) AS bigint) AS ms_played,
                   {listeners} AS listeners,
                   row_number() OVER (ORDER BY sum(listens) DESC, sum(plays) DESC, min(song.id)) AS place
              FROM ({songs}) AS heard JOIN songs AS song ON song.id = heard.song_id
             WHERE {key} IS NOT NULL
             GROUP BY {key}
            HAVING sum(listens) > 0) AS ranked
      JOIN songs AS namesake ON namesake.id = ranked.song_id
     WHERE place <= :most
     ORDER BY place
"""


def ranking(connection: Connection, subject: Subject, span: Span, *, user_id: int | None, most: int) -> Sequence[Place]:
    """The first `most` places of a span, computed from the days; for everyone where there is no user.

    Costs a look at each song of each day of the span. Whoever asks for everyone takes the charts instead.
    """
    parameters = {"first": span.first, "last": span.last, "most": most}
    if user_id is not None:
        parameters["user_id"] = user_id
    rows = connection.execute(_ranking(subject, everyone=user_id is None), parameters)
    return [Place(**row) for row in rows.mappings()]


@cache
def _ranking(subject: Subject, *, everyone: bool) -> TextClause:
    sql = _RANKING.format(
        title=_TITLE[subject],
        key=_KEY[subject],
        songs=_EVERYONE if everyone else _ONE_USER,
        listeners="count(DISTINCT user_id)" if everyone else "1",
    )
    types = [bindparam("first", type_=Date), bindparam("last", type_=Date)]
    return text(sql).bindparams(*types, *([] if everyone else [bindparam("user_id", type_=BigInteger)]))
