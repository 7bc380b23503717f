"""Compute the rollups of some days from the history. All of a day at once: nothing is ever added to a rollup."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection

from worker.crash import Point, pass_by
from worker.recorders.rows import Statement
from worker.statistics.listen_rule import IS_LISTEN, ListenRule
from worker.statistics.local_time import LOCAL_WORDS, WINDOW_COLUMNS, UserDay, windows, zones_of

# The plays of the wanted days, with their local time. A window reaches beyond its days, so the day is asked for too.
_COUNTED: Final = f"""
    WITH counted AS (
        SELECT play.user_id, {{local_day}} AS day, {{local_hour}} AS hour, play.song_id, play.ms_played,
               {IS_LISTEN} AS is_listen
          FROM {{rows}}
          JOIN play_history AS play ON play.user_id = incoming.user_id
           AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
           AND {{local_day}} BETWEEN incoming.first_day AND incoming.last_day
          JOIN songs AS song ON song.id = play.song_id)
"""
_KEYS: Final = {"listening_hours": "user_id, day, hour", "song_days": "user_id, day, song_id"}
_FILL: Final = {
    table: f"""
    INSERT INTO {table} ({key}, plays, listens, ms_played)
    SELECT {key}, count(*), count(*) FILTER (WHERE is_listen), coalesce(sum(ms_played), 0)
      FROM counted GROUP BY {key} ORDER BY {key}
    """
    for table, key in _KEYS.items()
}
_FORGET: Final = [
    Statement(
        f"DELETE FROM {table} WHERE (user_id, day) IN (SELECT user_id, day FROM {{rows}})",
        {"user_id": "bigint", "day": "date"},
    )
    for table in _KEYS
]
# PostgreSQL fills both tables from one look at the plays; SQLite cannot write in a WITH.
_COMPUTE: Final = {
    "postgresql": [f"{_COUNTED}, hours AS ({_FILL['listening_hours']}) {_FILL['song_days']}"],
    "sqlite": [_COUNTED + fill for fill in _FILL.values()],
}
_STATEMENTS: Final = {
    dialect: [Statement(sql, WINDOW_COLUMNS, LOCAL_WORDS) for sql in texts] for dialect, texts in _COMPUTE.items()
}


def compute_days(connection: Connection, days: Collection[UserDay], rule: ListenRule) -> None:
    """Replace all rollups of these days. The caller holds the users' locks, or is alone."""
    rows = day_rows(days)
    zones = zones_of(connection, {user_id for user_id, _ in days})
    for statement in _FORGET:
        statement.run(connection, rows)
    pass_by(Point.MID_AGGREGATION)
    parts = list(windows(days, zones))
    for statement in _STATEMENTS[connection.dialect.name]:
        statement.run(connection, parts, **rule.as_parameters())


def day_rows(days: Iterable[UserDay]) -> list[dict[str, Any]]:
    """The days as rows, for statements."""
    return [{"user_id": user_id, "day": day.isoformat()} for user_id, day in days]
