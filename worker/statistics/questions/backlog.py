"""Which days of all users wait for a sweep, and the plays of these days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import CTE, Connection, Date, Integer, Text, func, select

from worker.models import ListeningHour, SongDay, StaleDay, StaleHistory
from worker.statistics import statements
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import zone_rows
from worker.statistics.rollups.compute import columns_of


@dataclass(frozen=True)
class Backlog:
    """The waiting days of all users and their plays, for statements of the snapshot that they were counted in."""

    days: CTE
    plays: CTE

    @classmethod
    def of(cls, connection: Connection, first: date, last: date, rule: ListenRule) -> "Backlog | None":
        """The backlog of the days from `first` to `last`, None if no day waits.

        `days` has rows of `user_id` and `day`, each once. `plays` has a row for each play of these days, with the
        columns of both rollups as if it were the only play. Costs a look at each mark and at the plays of stale
        histories.
        """
        values, counts = _counted(connection, first, last)
        if not counts:
            return None
        waiting = statements.bound(connection, "waiting_days", **values, days=sum(each.days for each in counts))
        days = waiting.columns(StaleDay.user_id, StaleDay.day).cte("waiting")
        zones = (row for each in counts for row in zone_rows(each.zone, each.earliest, each.latest))
        bound = statements.bound(connection, "waiting_plays", zones, **rule.as_parameters())
        rollup = SongDay.__table__.c
        columns = (*columns_of(ListeningHour), rollup.song_id, rollup.track_id)
        plays = bound.columns(*columns).add_cte(days).cte("waiting_plays")
        # SQLite inlines a CTE that is used once, and would look for the plays again for each song: half a minute
        # instead of a second.
        return cls(days, plays.prefix_with("MATERIALIZED"))


def count_waiting_days(connection: Connection) -> int:
    """How many days of users wait for a sweep, each possible day of a play without an offset. Costs as the backlog."""
    _, counts = _counted(connection, date.min, date.max)
    return sum(each.days for each in counts)


def _counted(connection: Connection, first: date, last: date) -> tuple[dict[str, Any], Sequence[Any]]:
    """The parameters of the statements about waiting days, and how many days wait by the users' preferred timezone."""
    stale = select(func.count()).select_from(StaleHistory).where(StaleHistory.charts_only.is_not(True))
    values: dict[str, Any] = {"first": first, "last": last, "histories": connection.scalar(stale)}
    count = statements.bound(connection, "count_waiting_days", **values)
    return values, connection.execute(count.columns(zone=Text, days=Integer, earliest=Date, latest=Date)).all()
