"""Periods of the listener's local days: a day, an ISO week, a month, a year, all time."""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum, unique
from typing import Final, NamedTuple

ONE_DAY: Final = timedelta(days=1)


@unique
class Period(StrEnum):
    DAY = "day"
    WEEK = "week"  # ISO 8601: from Monday
    MONTH = "month"
    YEAR = "year"
    ALL = "all"


class Span(NamedTuple):
    """One period: its days from `first` to `last`, both included."""

    period: Period
    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def days(self) -> Iterator[date]:
        return (date.fromordinal(number) for number in range(self.first.toordinal(), self.last.toordinal() + 1))


def span(period: Period, at: date) -> Span:
    """The period that contains the day `at`."""
    match period:
        case Period.DAY:
            return Span(period, at, at)
        case Period.WEEK:
            monday = at - at.weekday() * ONE_DAY
            return Span(period, monday, monday + 6 * ONE_DAY)
        case Period.MONTH:
            first = at.replace(day=1)
            return Span(period, first, (first + 31 * ONE_DAY).replace(day=1) - ONE_DAY)
        case Period.YEAR:
            return Span(period, date(at.year, 1, 1), date(at.year, 12, 31))
        case Period.ALL:
            return Span(period, date.min, date.max)


def spans_of(day: date) -> list[Span]:
    """All periods that contain the day, from the shortest."""
    return [span(period, day) for period in Period]
