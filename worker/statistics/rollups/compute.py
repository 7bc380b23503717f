"""Compute the rollups of some days from the history. All of a day at once: nothing is ever added to a rollup."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Subquery

from worker.database.statement import Statement
from worker.failpoints import Point, hit
from worker.models import ListeningHour, SongDay
from worker.statistics.listen_rule import IS_LISTEN, ListenRule
from worker.statistics.local_time import LOCAL_WORDS, WINDOW_COLUMNS, UserDay, windows, zones_of

Rollup = type[ListeningHour] | type[SongDay]


def counted(plays: str, wanted: str) -> str:
    """What a rollup says: the `wanted` ones of some plays with their local time, of which the sums are taken.

    SQL over the aliases `play` and `incoming`, as `LOCAL_WORDS` are, with the parameters of the listen rule.
    """
    return f"""
    WITH counted AS (
        SELECT play.user_id, {{local_day}} AS day, {{local_hour}} AS hour, play.song_id, play.ms_played,
               {IS_LISTEN} AS is_listen
          FROM {plays}
          JOIN songs AS song ON song.id = play.song_id AND {wanted})
    """


# PostgreSQL knows nothing of how many plays a window has, and would compare all windows of a user with all plays of
# that user. OFFSET 0 keeps it to looking them up, one window after the other, as SQLite does by itself.
_PLAYS_OF_A_WINDOW: Final = """
    play.user_id = incoming.user_id AND play.played_at >= incoming.starts_at AND play.played_at < incoming.ends_at
"""
_WORDS: Final = {
    "postgresql": {
        **LOCAL_WORDS["postgresql"],
        "plays": f"""
            CROSS JOIN LATERAL (SELECT * FROM play_history AS play WHERE {_PLAYS_OF_A_WINDOW} OFFSET 0) AS play
        """,
    },
    "sqlite": {**LOCAL_WORDS["sqlite"], "plays": f"JOIN play_history AS play ON {_PLAYS_OF_A_WINDOW}"},
}
# A window reaches beyond its days, so the day is asked for too.
_WANTED: Final = "{local_day} BETWEEN incoming.first_day AND incoming.last_day"
_COUNTED: Final = counted("{rows} {plays}", _WANTED)
_KEYS: Final[Mapping[Rollup, str]] = {ListeningHour: "hour", SongDay: "song_id"}
_COLUMNS: Final = ("plays", "listens", "ms_played")
_SUMS: Final = """
    SELECT user_id, day, {key}, CAST(count(*) AS integer) AS plays,
           CAST(count(*) FILTER (WHERE is_listen) AS integer) AS listens, coalesce(sum(ms_played), 0) AS ms_played
      FROM counted GROUP BY user_id, day, {key}
"""
# Of a day that is still going on most rows stay as they are, and a row costs as much as a play. So PostgreSQL writes
# only those that differ, and both tables from one look at the plays. Set operations, because it knows nothing of how
# many rows there will be, and would sooner or later join them in nested loops.
_CHANGES: Final = """
    , {table}_now AS ({sums}), {table}_before AS (
        SELECT stored.user_id, day, {key}, {columns} FROM {{rows}} CROSS JOIN LATERAL (
            SELECT * FROM {table}
             WHERE user_id = incoming.user_id AND day BETWEEN incoming.first_day AND incoming.last_day OFFSET 0
        ) AS stored
    ), {table}_deleted AS (
        DELETE FROM {table} WHERE (user_id, day, {key}) IN (
            SELECT user_id, day, {key} FROM {table}_before EXCEPT SELECT user_id, day, {key} FROM {table}_now)
    ), {table}_written AS (
        INSERT INTO {table} (user_id, day, {key}, {columns})
        SELECT * FROM {table}_now EXCEPT SELECT * FROM {table}_before ORDER BY user_id, day, {key}
        ON CONFLICT (user_id, day, {key}) DO UPDATE
           SET plays = excluded.plays, listens = excluded.listens, ms_played = excluded.ms_played
    )
"""
# SQLite cannot write in a WITH, and would look at the plays twice as often to find out what differs.
_FORGET: Final = """
    DELETE FROM {table} WHERE (user_id, day) IN (
        SELECT user_id, day FROM {{rows}} JOIN {table} USING (user_id) WHERE day BETWEEN first_day AND last_day)
"""
_FILL: Final = "INSERT INTO {table} (user_id, day, {key}, {columns}) {sums}"


def _for_each_table(sql: str) -> list[str]:
    return [
        sql.format(table=rollup.__tablename__, key=key, columns=", ".join(_COLUMNS), sums=_SUMS.format(key=key))
        for rollup, key in _KEYS.items()
    ]


_COMPUTE: Final = {
    "postgresql": [_COUNTED + "".join(_for_each_table(_CHANGES)) + "SELECT"],
    "sqlite": [*_for_each_table(_FORGET), *(_COUNTED + fill for fill in _for_each_table(_FILL))],
}
_STATEMENTS: Final = {
    dialect: [Statement(sql, WINDOW_COLUMNS, _WORDS) for sql in texts] for dialect, texts in _COMPUTE.items()
}
# PostgreSQL takes the rows of a parameter for a hundred, and would read all songs for so many windows.
_COUNTED_OF_ONE: Final = counted("(SELECT * FROM {rows} LIMIT :windows) AS incoming {plays}", _WANTED)
_OF_ONE_USER: Final = {
    rollup: Statement(_COUNTED_OF_ONE + _SUMS.format(key=key), WINDOW_COLUMNS, _WORDS) for rollup, key in _KEYS.items()
}


def compute_days(connection: Connection, days: Collection[UserDay], rule: ListenRule) -> None:
    """Replace all rollups of these days. The caller holds the users' locks, or is alone."""
    parts = _windows(connection, days)
    for statement in _STATEMENTS[connection.dialect.name]:
        statement.run(connection, parts, **rule.as_parameters())
    hit(Point.MID_AGGREGATION)


def computed(
    connection: Connection, rollup: Rollup, user_id: int, days: Collection[date], rule: ListenRule
) -> Subquery:
    """The rows that a rollup is to have of some days of a user, at least one; with the columns of `columns_of`."""
    parts = _windows(connection, [(user_id, day) for day in days])
    statement = _OF_ONE_USER[rollup].bound(connection, parts, windows=len(parts), **rule.as_parameters())
    return statement.columns(*columns_of(rollup)).subquery()


def columns_of(rollup: Rollup) -> Sequence[ColumnElement[Any]]:
    """What a rollup says, in the order of its statements: without the times at which a row was written."""
    return [rollup.__table__.c[name] for name in names_of(rollup)]


def names_of(rollup: Rollup) -> Sequence[str]:
    return ("user_id", "day", _KEYS[rollup], *_COLUMNS)


def _windows(connection: Connection, days: Collection[UserDay]) -> Sequence[dict[str, Any]]:
    return list(windows(days, zones_of(connection, {user_id for user_id, _ in days})))


def day_rows(days: Iterable[UserDay]) -> list[dict[str, Any]]:
    """The days as rows, for statements."""
    return [{"user_id": user_id, "day": day.isoformat()} for user_id, day in days]
