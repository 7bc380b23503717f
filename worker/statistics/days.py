"""How much was heard on each local day: what a heat map of a year shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from worker.models import ListeningHour
from worker.statistics.scope import scope, total


@dataclass(frozen=True)
class Day:
    """One local day. `ms_played` is the sum of what is known."""

    day: date
    plays: int
    listens: int
    ms_played: int


def days(connection: Connection, first: date, last: date, *, user_id: int | None) -> Sequence[Day]:
    """The days with plays from `first` to `last`, both included, in order; for everyone where there is no user.

    Costs a look at each hour with plays: some ten rows a day and user.
    """
    hours = ListeningHour
    rows = connection.execute(
        select(hours.day, total(hours.plays), total(hours.listens), total(hours.ms_played))
        .where(scope(hours, first, last, user_id=user_id))
        .group_by(hours.day)
        .order_by(hours.day)
    )
    return [Day(*row) for row in rows]
