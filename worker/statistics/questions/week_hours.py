"""Plays and listens of each hour of the week."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, cast, extract, select

from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening
from worker.statistics.sql import total


@dataclass(frozen=True)
class WeekHour:
    """One hour of the week in local time: `weekday` 1 (Monday) to 7 as in ISO 8601, `hour` 0 to 23."""

    weekday: int
    hour: int
    plays: int
    listens: int
    ms_played: int


def week_hours(listening: Listening, span: Span) -> Sequence[WeekHour]:
    """The hours of the week that have plays, in order.

    Costs a look at each hour with plays in the span: some ten rows per day and user.
    """
    at = listening.rollups(span.first, span.last).hours.c
    # Both databases count weekdays from Sunday, which is 0.
    weekday = (cast(extract("dow", at.day), Integer) + 6) % 7 + 1
    rows = listening.connection.execute(
        select(weekday, at.hour, total(at.plays), total(at.listens), total(at.ms_played))
        .group_by(weekday, at.hour)
        .order_by(weekday, at.hour)
    )
    return [WeekHour(*row) for row in rows.all()]
