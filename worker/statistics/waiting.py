"""What the statistics do not say yet, because it has not been computed."""

from sqlalchemy import Connection, func, select, union_all

from worker.models import StaleChart, StaleDay, StaleHistory


def waiting_days(connection: Connection, *, user_id: int) -> int:
    """How many of a user's days are to be computed anew; a whole history that waits to be parted counts as one."""
    days = select(func.count(StaleDay.day.distinct())).where(StaleDay.user_id == user_id)
    histories = select(func.count()).select_from(StaleHistory).where(StaleHistory.user_id == user_id)
    return sum(connection.scalars(union_all(days, histories)))


def waiting_for_charts(connection: Connection) -> bool:
    """Whether anything has been recorded or computed that the charts for everyone do not show yet."""
    return any(
        connection.execute(select(mark).limit(1)).first() is not None
        for mark in (StaleChart.mark, StaleDay.mark, StaleHistory.mark)
    )
