"""Compute rollups from the plays, whole days at a time: nothing is ever added to a rollup."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Date, Integer, Subquery, TextClause, select

from worker.failpoints import Point, hit
from worker.models import LeftOut, ListeningHour, SongDay
from worker.statistics import statements
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import UserDay, timezones_of, windows
from worker.statistics.statements import Name

Rollup = type[ListeningHour] | type[SongDay]

_KEYS: Final[Mapping[Rollup, Sequence[str]]] = {ListeningHour: ("hour",), SongDay: ("song_id", "track_id")}
_OF_ONE_USER: Final[Mapping[Rollup, Name]] = {ListeningHour: "user_hours", SongDay: "user_songs"}
_GIVEN: Final[Mapping[Rollup, Name]] = {ListeningHour: "given_hours", SongDay: "given_songs"}
_SUMS: Final = ("plays", "listens", "ms_played")


def compute_days(connection: Connection, days: Collection[UserDay], rule: ListenRule) -> Sequence[UserDay]:
    """Replace all rollups of these days, and of days joined to them. The caller has locked the users, or runs alone.

    Forgets sums that contain them.

    Returns the joined days: those on which other plays of a run lie that began to count, or ceased to.
    """
    joined = _compute(connection, days, rule)
    if joined:
        _compute(connection, joined, rule)
    statements.run(connection, "forget_sums", day_rows([*days, *joined]))
    hit(Point.MID_AGGREGATION)
    return joined


def _compute(connection: Connection, days: Collection[UserDay], rule: ListenRule) -> Sequence[UserDay]:
    rows = statements.run(connection, "compute_days", _windows(connection, days), **rule.as_parameters())
    return [(user_id, _as_date(day)) for user_id, day in rows]


def joined_days(connection: Connection, user_id: int, days: Collection[date], rule: ListenRule) -> Sequence[date]:
    """The days that have to be computed together with these days of a user, because a run of plays joins them."""
    statement = of_user(connection, "joined_days", user_id, days, rule)
    return [_as_date(day) for _, day in connection.execute(statement)]


def _as_date(day: date | str) -> date:
    return date.fromisoformat(day) if isinstance(day, str) else day


def computed_rows(
    connection: Connection, rollup: Rollup, user_id: int, days: Collection[date], rule: ListenRule
) -> Subquery:
    """The rows that a sweep would write for some days of a user, at least one, with the columns of `columns_of`."""
    return _as_rows(rollup, min(days), of_user(connection, _OF_ONE_USER[rollup], user_id, days, rule))


def _as_rows(rollup: Rollup, first: date, statement: TextClause) -> Subquery:
    # A CTE stands at the beginning of the whole statement: SQLite's parser allows no deep nesting. A statement may have
    # some for different days.
    name = f"computed_{rollup.__tablename__}_{first:%Y%m%d}"
    return select(statement.columns(*columns_of(rollup)).cte(name)).subquery()


@dataclass(frozen=True)
class ComputedDays:
    """What a sweep would write for a few `days` of one user, read once for all statements of a snapshot."""

    days: Sequence[date]
    _sums: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, connection: Connection, user_id: int, days: Collection[date], rule: ListenRule) -> "ComputedDays":
        """Compute these days, at least one, and those joined to them. Costs a look at each of their plays."""
        joined, sums = _summed(connection, user_id, days, rule)
        if joined:
            _, sums = _summed(connection, user_id, {*days, *joined}, rule)
        return cls(sorted({*days, *joined}), sums)

    def rows(self, connection: Connection, rollup: Rollup, first: date, last: date) -> Subquery:
        """The rows of the days from `first` to `last`, as `computed_rows` gives them."""
        rows = list(self._rows_of(rollup, first, last))
        return _as_rows(rollup, first, statements.bound(connection, _GIVEN[rollup], rows, given=len(rows)))

    def _rows_of(self, rollup: Rollup, first: date, last: date) -> Iterator[dict[str, Any]]:
        names = ("user_id", "day", *_KEYS[rollup])
        found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * len(_SUMS))
        for row in self._sums:
            if first <= row["day"] <= last:
                sums = found[tuple(row[name] for name in names)]
                sums[:] = (before + row[name] for before, name in zip(sums, _SUMS, strict=True))
        for key, sums in found.items():
            yield {**dict(zip(names, key, strict=True)), **dict(zip(_SUMS, sums, strict=True))}


def _summed(
    connection: Connection, user_id: int, days: Collection[date], rule: ListenRule
) -> tuple[Sequence[date], Sequence[Mapping[str, Any]]]:
    """The days joined to some days of a user, and the sums of each hour and track of those days."""
    numbers = dict.fromkeys(("user_id", "song_id", "track_id", "ms_played"), BigInteger)
    statement = of_user(connection, "user_rows", user_id, days, rule)
    typed = statement.columns(day=Date, hour=Integer, plays=Integer, listens=Integer, **numbers)
    rows: Sequence[Mapping[str, Any]] = [dict(row) for row in connection.execute(typed).mappings()]
    joined = [row["day"] for row in rows if row["hour"] is None]
    return joined, [row for row in rows if row["hour"] is not None]


def of_user(connection: Connection, name: Name, user_id: int, days: Collection[date], rule: ListenRule) -> TextClause:
    """A statement over the plays of some days of one user, at least one."""
    rows = _windows(connection, [(user_id, day) for day in days])
    leaves_out = connection.execute(select(LeftOut.user_id).where(LeftOut.user_id == user_id).limit(1)).first()
    parameters = {"windows": len(rows), **rule.as_parameters()}
    return statements.bound(connection, name, rows, with_left_out=leaves_out is not None, **parameters)


def columns_of(rollup: Rollup) -> Sequence[ColumnElement[Any]]:
    """The columns of a rollup in the order of its statements, without `created_at` and `updated_at`."""
    return [rollup.__table__.c[name] for name in names_of(rollup)]


def names_of(rollup: Rollup) -> Sequence[str]:
    return ("user_id", "day", *_KEYS[rollup], *_SUMS)


def _windows(connection: Connection, days: Collection[UserDay]) -> Sequence[dict[str, Any]]:
    return list(windows(days, timezones_of(connection, {user_id for user_id, _ in days})))


def day_rows(days: Iterable[UserDay]) -> list[dict[str, Any]]:
    """The days as rows for SQL statements."""
    return [{"user_id": user_id, "day": day.isoformat()} for user_id, day in days]
