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

# A sum of bigints is numeric in PostgreSQL, which costs as much as all the rest. A double adds milliseconds exactly
# for 285,000 years, and nobody plays one song two billion times.
_SUMS: Final = """
    CAST(sum(plays) AS integer) AS plays, CAST(sum(listens) AS integer) AS listens,
    sum(CAST(ms_played AS double precision)) AS ms_played
"""
_DAYS: Final = "day BETWEEN :first AND :last"
# Songs are added up before they are joined, because a history has many more days of songs than songs. Listeners are
# then told apart again, since two songs of an artist may have the same ones.
_ONE_USER: Final = f"""
    SELECT song_id, {_SUMS} FROM song_days WHERE user_id = :user_id AND {_DAYS} GROUP BY song_id
"""
_EVERYONE: Final = f"""
    SELECT song_id, user_id, {_SUMS} FROM song_days WHERE {_DAYS} GROUP BY song_id, user_id
"""
_SONGS_OF_ONE_USER: Final = f"SELECT *, 1 AS listeners FROM ({_ONE_USER}) AS heard WHERE listens > 0"
_GROUPED: Final = """
    SELECT min(song.id) AS song_id, sum(heard.plays) AS plays, sum(heard.listens) AS listens,
           sum(heard.ms_played) AS ms_played, {listeners} AS listeners
      FROM ({songs}) AS heard JOIN songs AS song ON song.id = heard.song_id
     {known} GROUP BY {key} HAVING sum(heard.listens) > 0
"""
# By listens, then plays, then who was there first, so that a chart has one order only. Named after the first ones are
# known: the catalogue is larger than any chart.
_RANKING: Final = """
    SELECT namesake.artist, {title} AS title, CAST(ranked.plays AS bigint) AS plays,
           CAST(ranked.listens AS bigint) AS listens, CAST(ranked.ms_played AS bigint) AS ms_played, ranked.listeners
      FROM (SELECT * FROM ({grouped}) AS heard ORDER BY listens DESC, plays DESC, song_id LIMIT :most) AS ranked
      JOIN songs AS namesake ON namesake.id = ranked.song_id
     ORDER BY ranked.listens DESC, ranked.plays DESC, ranked.song_id
"""


def ranking(connection: Connection, subject: Subject, span: Span, *, user_id: int | None, most: int) -> Sequence[Place]:
    """The first `most` places of a span, computed from the days; for everyone where there is no user.

    Costs a look at each song of each day of the span. Whoever asks for everyone takes the charts instead. A user's
    song that has just been deleted may leave a place fewer until its days have been computed anew.
    """
    parameters = {"first": span.first, "last": span.last, "most": most}
    if user_id is not None:
        parameters["user_id"] = user_id
    rows = connection.execute(_ranking(subject, everyone=user_id is None), parameters)
    return [Place(place=place, **row) for place, row in enumerate(rows.mappings(), start=1)]


@cache
def _ranking(subject: Subject, *, everyone: bool) -> TextClause:
    grouped = _GROUPED.format(
        key=_KEY[subject],
        # Every song has an artist; asking each for it would cost a twentieth.
        known="WHERE song.album_identity IS NOT NULL" if subject is Subject.ALBUM else "",
        songs=_EVERYONE if everyone else _ONE_USER,
        listeners="count(DISTINCT heard.user_id)" if everyone else "1",
    )
    songs_of_one = subject is Subject.SONG and not everyone
    sql = _RANKING.format(title=_TITLE[subject], grouped=_SONGS_OF_ONE_USER if songs_of_one else grouped)
    types = [bindparam("first", type_=Date), bindparam("last", type_=Date)]
    return text(sql).bindparams(*types, *([] if everyone else [bindparam("user_id", type_=BigInteger)]))
