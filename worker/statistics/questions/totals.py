"""Totals: plays, listens, time, songs, artists and days of a span."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, Subquery, func, select, true, union, union_all

from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening, RollupRows
from worker.statistics.questions.subjects import Subject, filed
from worker.statistics.sql import total


@dataclass(frozen=True)
class Totals:
    """A listen is a play that satisfies the listen rule. `ms_played` sums the known lengths.

    `songs` and `artists` count those with a listen; `days` counts those with a play, from `first_day` to `last_day`.
    """

    plays: int
    listens: int
    ms_played: int
    songs: int
    artists: int
    listeners: int
    days: int
    first_day: date | None
    last_day: date | None

    @property
    def skips(self) -> int:
        return self.plays - self.listens


def totals(listening: Listening, span: Span) -> Totals:
    """The totals of a span.

    Costs a look at each hour and each song of each day of the span. For everyone that is as much as drawing a chart:
    seconds for millions of plays. Do not ask it on every visit of a page.
    """
    rollups = listening.rollups(span.first, span.last)
    days, songs = _days(rollups), _songs(rollups)
    statement = select(*days.c, *songs.c).join_from(days, songs, true())
    if listening.covers_everyone:
        users = _listeners(rollups)
        statement = statement.add_columns(users.c.listeners).join(users, true())
    row = listening.connection.execute(statement).mappings().one()
    return Totals(**{"listeners": min(row["plays"], 1), **row})


# No DISTINCT below: PostgreSQL sorts for it, but groups without sorting.
def _days(rollups: RollupRows) -> Subquery:
    hour = rollups.days.c
    names = ("plays", "listens", "ms_played")
    day = select(hour.day, *(total(hour[name]).label(name) for name in names)).group_by(hour.day).subquery()
    sums = (total(day.c[name]).label(name) for name in names)
    ends = (func.min(day.c.day).label("first_day"), func.max(day.c.day).label("last_day"))
    return select(*sums, func.count().label("days"), *ends).select_from(day).subquery()


def _listeners(rollups: RollupRows) -> Subquery:
    user = rollups.hours.c.user_id
    users = select(user).group_by(user).subquery()
    return select(func.count().label("listeners")).select_from(users).subquery()


def _songs(rollups: RollupRows) -> Subquery:
    """The number of songs and of artists with a listen."""
    summed, rest = rollups.filed(Subject.SONG)
    artists, _ = rollups.filed(Subject.ARTIST)
    # UNION, not UNION ALL: a track may be in both parts. MATERIALIZED, or SQLite would read the days twice.
    track = union(*map(_with_listens, rest)).cte("tracks_with_listens").prefix_with("MATERIALIZED") if rest else None
    song = [select(part.c.named_song_id.label("counted")).where(part.c.listens > 0) for part in summed]
    artist = [select(part.c.filed_under.label("counted")).where(part.c.listens > 0) for part in artists]
    if track is not None:
        song.append(select(track.c.song_id.label("counted")))
        artist.append(select(filed(track, Subject.ARTIST).subquery().c.filed_under.label("counted")))
    songs, artists_heard = _number(song, "songs"), _number(artist, "artists")
    return select(*songs.c, *artists_heard.c).join_from(songs, artists_heard, true()).subquery()


def _number(parts: Sequence[Select[Any]], name: str) -> Subquery:
    each = union_all(*parts).subquery().c.counted
    group = select(each).group_by(each).subquery()
    return select(func.count().label(name)).select_from(group).subquery()


def _with_listens(rows: Subquery) -> Select[int, int]:
    return select(rows.c.song_id, rows.c.track_id).where(rows.c.listens > 0).group_by(rows.c.song_id, rows.c.track_id)
