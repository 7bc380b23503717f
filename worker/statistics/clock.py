"""When in the week somebody listens: hour of the day by day of the week."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, extract, select

from worker.models import ListeningHour
from worker.statistics.periods import Span
from worker.statistics.scope import scope, total


@dataclass(frozen=True)
class WeekHour:
    """One hour of the week, by the listener's clock: `weekday` 1 (Monday) to 7, as in ISO 8601, `hour` 0 to 23."""

    weekday: int
    hour: int
    plays: int
    listens: int
    ms_played: int


def clock(connection: Connection, span: Span, *, user_id: int | None) -> Sequence[WeekHour]:
    """The hours of the week that have plays, in order; for everyone where there is no user.

    Costs a look at each hour with plays in the span: some ten rows a day and user.
    """
    hours = ListeningHour
    # Both databases count from Sunday, which is 0.
    weekday = (extract("dow", hours.day) + 6) % 7 + 1
    rows = connection.execute(
        select(weekday, hours.hour, total(hours.plays), total(hours.listens), total(hours.ms_played))
        .where(scope(hours, span.first, span.last, user_id=user_id))
        .group_by(weekday, hours.hour)
        .order_by(weekday, hours.hour)
    )
    return [WeekHour(int(day), *rest) for day, *rest in rows]
