"""Streaks: consecutive days with at least one listen."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.sources import UserListening


@dataclass(frozen=True)
class Streak:
    """The days from `first` to `last`, both included, each with a listen."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first) // ONE_DAY + 1


@dataclass(frozen=True)
class Streaks:
    """The current and the longest streak, None where there is none. Of equally long streaks, the first one."""

    current: Streak | None
    longest: Streak | None


def streaks(listening: UserListening, span: Span, *, today: date) -> Streaks:
    """The longest streak of a span, and the current one.

    A streak is current if it reaches today or yesterday: today may still get its listen. `today` is the listener's
    local day. Days of a streak that are outside the span do not count.

    Costs a look at each hour with plays in the span: some ten rows per day.
    """
    hour = listening.rollups(span.first, span.last).days.c
    days = listening.connection.scalars(select(hour.day).where(hour.listens > 0).group_by(hour.day).order_by(hour.day))
    return streaks_of(days, today=today)


def streaks_of(days: Iterable[date], *, today: date) -> Streaks:
    """The streaks of the days with a listen, given in order, each once."""
    found = list(runs(days))
    latest = found[-1] if found else None
    return Streaks(
        current=latest if latest and latest.last >= today - ONE_DAY else None,
        longest=max(found, key=lambda streak: streak.days, default=None),
    )


def runs(days: Iterable[date]) -> Iterator[Streak]:
    """Split days at each gap. The days are in order, each once."""
    first = last = None
    for day in days:
        if first and last and day - last != ONE_DAY:
            yield Streak(first, last)
            first = None
        first, last = first or day, day
    if first and last:
        yield Streak(first, last)
