"""Periods of the listener's local days: a day, an ISO week, a month, a year, all time."""

from collections.abc import Iterator
from datetime import date, timedelta
from enum import StrEnum, unique
from typing import Final, NamedTuple

ONE_DAY: Final = timedelta(days=1)
_52_WEEKS: Final = timedelta(weeks=52)


@unique
class Period(StrEnum):
    DAY = "day"
    WEEK = "week"  # ISO 8601: from Monday
    MONTH = "month"
    YEAR = "year"
    ALL = "all"


class Span(NamedTuple):
    """The days from `first` to `last`, both included: one period, or any days, which are a part of all time."""

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


def year_before(wanted: Span, *, today: date) -> Span | None:
    """The same period a year before, or as much of it as has passed of one that is running. None without a beginning.

    Of a week it is the week 52 weeks before, which has the same number mostly. Days of a year are the same dates.
    """
    if wanted.first == date.min:
        return None
    if wanted.first <= today < wanted.last:
        wanted = wanted._replace(last=today)
    elif wanted.period is Period.MONTH:
        # A February may be a day longer.
        return span(wanted.period, a_year_before(wanted.first))
    if wanted.period is Period.WEEK:
        return wanted._replace(first=wanted.first - _52_WEEKS, last=wanted.last - _52_WEEKS)
    return wanted._replace(first=a_year_before(wanted.first), last=a_year_before(wanted.last))


def a_year_before(day: date) -> date:
    """The same date, of a leap day the day before it."""
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)


def spans_of(day: date) -> list[Span]:
    """All periods that contain the day, from the shortest."""
    return [span(period, day) for period in Period]
