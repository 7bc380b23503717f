"""Compute rollups from the plays, whole days at a time: nothing is ever added to a rollup."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Subquery

from worker.failpoints import Point, hit
from worker.models import ListeningHour, PlayHistory, SongDay
from worker.statistics import statements
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import UserDay, timezones_of, windows
from worker.statistics.statements import Name

Rollup = type[ListeningHour] | type[SongDay]

_KEYS: Final[Mapping[Rollup, str]] = {ListeningHour: "hour", SongDay: "song_id"}
_OF_ONE_USER: Final[Mapping[Rollup, Name]] = {ListeningHour: "user_hours", SongDay: "user_songs"}


def compute_days(connection: Connection, days: Collection[UserDay], rule: ListenRule) -> None:
    """Replace all rollups of these days. The caller has locked the users, or runs alone."""
    statements.run(connection, "compute_days", _windows(connection, days), **rule.as_parameters())
    hit(Point.MID_AGGREGATION)


def computed_rows(
    connection: Connection, rollup: Rollup, user_id: int, days: Collection[date], rule: ListenRule
) -> Subquery:
    """The rows that a sweep would write for some days of a user, at least one, with the columns of `columns_of`."""
    rows = _windows(connection, [(user_id, day) for day in days])
    name = _OF_ONE_USER[rollup]
    statement = statements.bound(connection, name, rows, windows=len(rows), **rule.as_parameters())
    return statement.columns(*columns_of(rollup)).subquery()


def first_listens(connection: Connection, user_id: int, days: Collection[date], rule: ListenRule) -> Subquery:
    """`day`, `song_id` and `began_at` of the first listen of each song on each of some days, at least one, of a user.

    Costs a look at each play of these days.
    """
    rows = _windows(connection, [(user_id, day) for day in days])
    statement = statements.bound(connection, "first_listens", rows, windows=len(rows), **rule.as_parameters())
    columns = (SongDay.day, SongDay.song_id, PlayHistory.played_at.label("began_at"))
    return statement.columns(*columns).subquery()


def columns_of(rollup: Rollup) -> Sequence[ColumnElement[Any]]:
    """The columns of a rollup in the order of its statements, without `created_at` and `updated_at`."""
    return [rollup.__table__.c[name] for name in names_of(rollup)]


def names_of(rollup: Rollup) -> Sequence[str]:
    return ("user_id", "day", _KEYS[rollup], "plays", "listens", "ms_played")


def _windows(connection: Connection, days: Collection[UserDay]) -> Sequence[dict[str, Any]]:
    return list(windows(days, timezones_of(connection, {user_id for user_id, _ in days})))


def day_rows(days: Iterable[UserDay]) -> list[dict[str, Any]]:
    """The days as rows for SQL statements."""
    return [{"user_id": user_id, "day": day.isoformat()} for user_id, day in days]
