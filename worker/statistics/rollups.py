"""Compute the rollups of some days from the history. All of a day at once: nothing is ever added to a rollup."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection

from worker.crash import Point, pass_by
from worker.recorders.rows import Statement
from worker.statistics.listen_rule import IS_LISTEN, ListenRule
from worker.statistics.local_time import LOCAL_WORDS, WINDOW_COLUMNS, UserDay, windows, zones_of

# The plays of the wanted days, with their local time. A window reaches beyond its day, so the day is asked for too.
PLAYS: Final = f"""
    SELECT play.user_id, incoming.day, {{local_hour}} AS hour, play.song_id, play.ms_played,
           {IS_LISTEN} AS is_listen
      FROM {{rows}}
      JOIN play_history AS play ON play.user_id = incoming.user_id
       AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
       AND {{local_day}} = incoming.day
      JOIN songs AS song ON song.id = play.song_id
"""
TOTALS: Final = "count(*), count(*) FILTER (WHERE is_listen), coalesce(sum(ms_played), 0)"

_KEYS: Final = {"listening_hours": "user_id, day, hour", "song_days": "user_id, day, song_id"}
_FORGET: Final = {
    table: Statement(
        f"DELETE FROM {table} WHERE (user_id, day) IN (SELECT user_id, day FROM {{rows}})",
        {"user_id": "bigint", "day": "date"},
    )
    for table in _KEYS
}
_COMPUTE: Final = {
    table: Statement(
        f"""
        INSERT INTO {table} ({key}, plays, listens, ms_played)
        SELECT {key}, {TOTALS} FROM ({PLAYS}) AS plays GROUP BY {key} ORDER BY {key}
        """,
        WINDOW_COLUMNS,
        LOCAL_WORDS,
    )
    for table, key in _KEYS.items()
}


def compute_days(connection: Connection, days: Collection[UserDay], rule: ListenRule) -> None:
    """Replace all rollups of these days. The caller holds the users' locks, or is alone."""
    rows = day_rows(days)
    zones = zones_of(connection, {user_id for user_id, _ in days})
    parts = list(windows(days, zones))
    for table in _KEYS:
        _FORGET[table].run(connection, rows)
        pass_by(Point.MID_AGGREGATION)
        _COMPUTE[table].run(connection, parts, **rule.as_parameters())


def day_rows(days: Iterable[UserDay]) -> list[dict[str, Any]]:
    """The days as rows, for statements."""
    return [{"user_id": user_id, "day": day.isoformat()} for user_id, day in days]
