"""Streaks: days in a row with at least one listen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import select

from worker.statistics.periods import Span
from worker.statistics.questions.sources import UserListening

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Streak:
    """The days from `first` to `last`, both included, each with a listen."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first) // _DAY + 1


@dataclass(frozen=True)
class Streaks:
    """None where there is none. Of several that are the longest, the one that was there first."""

    current: Streak | None
    longest: Streak | None


def streaks(listening: UserListening, span: Span, *, today: date) -> Streaks:
    """The longest streak of a span, and the one that is not broken yet.

    A streak is current if it reaches today or yesterday: today is not over, and may still get its listen. `today` is
    the listener's local day. A streak that began before the span, or goes on after it, counts by its days within.

    Costs a look at each hour with plays in the span: some ten rows a day.
    """
    hour = listening.heard(span.first, span.last).hours.c
    listened = listening.connection.scalars(
        select(hour.day).where(hour.listens > 0).group_by(hour.day).order_by(hour.day)
    )
    found = list(runs(listened))
    latest = found[-1] if found else None
    return Streaks(
        current=latest if latest and latest.last >= today - _DAY else None,
        longest=max(found, key=lambda streak: streak.days, default=None),
    )


def runs(days: Iterable[date]) -> Iterator[Streak]:
    """Part days, in order and each once, where one is missing."""
    first = last = None
    for day in days:
        if first and last and day - last != _DAY:
            yield Streak(first, last)
            first = None
        first, last = first or day, day
    if first and last:
        yield Streak(first, last)
