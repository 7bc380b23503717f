"""The ranges of ListenBrainz' statistics, and the parts that it divides each into.

https://listenbrainz.readthedocs.io/en/latest/users/api/statistics.html
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

_DAY: Final = timedelta(days=1)
# A month's days are rows, a year's months, and the years of what is longer.
_MOST_DAYS: Final = 31
_MOST_MONTHS_IN_DAYS: Final = 366


class Days(NamedTuple):
    """A range: its local days, both included."""

    first: date
    last: date


def days_of(name: str, today: date) -> Days | None:
    """The days of a range; None if ListenBrainz has none of this name. Weeks begin on Monday.

    `week`, `month` and so on are the last whole ones, `this_week` and so on those that run.
    """
    monday, month, year = today - today.weekday() * _DAY, today.replace(day=1), date(today.year, 1, 1)
    quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    half = date(today.year, 6 * ((today.month - 1) // 6) + 1, 1)
    return {
        "this_week": Days(monday, monday + 6 * _DAY),
        "this_month": Days(month, _end_of_month(month)),
        "this_year": Days(year, date(today.year, 12, 31)),
        "week": Days(monday - 7 * _DAY, monday - _DAY),
        "month": Days(_months_before(month, 1), month - _DAY),
        "quarter": Days(_months_before(quarter, 3), quarter - _DAY),
        "half_yearly": Days(_months_before(half, 6), half - _DAY),
        "year": Days(date(today.year - 1, 1, 1), year - _DAY),
        "all_time": Days(date.min, date.max),
    }.get(name)


def parts(days: Days) -> Iterator[tuple[str, Days]]:
    """The rows of a listening activity with their names: days, months or years. The range must have an end."""
    length = (days.last - days.first).days + 1
    first = days.first
    while first <= days.last:
        name, end = _part(first, length)
        part = Days(first, min(end, days.last))
        yield name, part
        first = part.last + _DAY


def _part(day: date, length: int) -> tuple[str, date]:
    if length <= _MOST_DAYS:
        return f"{day:%A %d %B %Y}", day
    if length <= _MOST_MONTHS_IN_DAYS:
        return f"{day:%B %Y}", _end_of_month(day)
    return f"{day.year}", date(day.year, 12, 31)


def _end_of_month(day: date) -> date:
    return (day.replace(day=1) + 31 * _DAY).replace(day=1) - _DAY


def _months_before(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
