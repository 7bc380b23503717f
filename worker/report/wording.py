"""Figures and periods as people say them."""

from datetime import date
from typing import Final

from worker.statistics.periods import Period, Span

_MINUTE_MS: Final = 60_000
_HOUR_MIN: Final = 60
_MANY_HOURS: Final = 100
_UNKNOWN: Final = "\N{EN DASH}"

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_name(day: date) -> str:
    """Name a day as in running text.

    >>> day_name(date(2026, 11, 3))
    '3 Nov 2026'
    """
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def duration(milliseconds: int) -> str:
    """Hours and minutes, the last minute begun not counted; a dash for 0, which is the sum of what nobody told.

    >>> duration(7_500_000), duration(59_999)
    ('2 h 05 min', '0 min')
    """
    if not milliseconds:
        return _UNKNOWN
    hours, minutes = divmod(milliseconds // _MINUTE_MS, _HOUR_MIN)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"


def roughly(milliseconds: int) -> str:
    """Whole hours where they are many.

    >>> roughly(7_500_000), roughly(400_000_000)
    ('2 h 05 min', '111 h')
    """
    hours = milliseconds // (_HOUR_MIN * _MINUTE_MS)
    return f"{hours:,} h" if hours >= _MANY_HOURS else duration(milliseconds)


def amount(number: int, noun: str) -> str:
    """Write the number with the noun's regular plural.

    >>> amount(1, "day"), amount(1200, "day")
    ('1 day', '1,200 days')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """Write a percentage; of nothing it is nought.

    >>> share(1, 8), share(0, 0)
    ('12 %', '0 %')
    """
    return f"{part / whole if whole else 0:.0%}".replace("%", " %")


def span_name(span: Span) -> str:
    """The period as a heading has it: `all time`, `2021`, `May 2021`, `week 2020-W53`, `2021-05-10`."""
    match span.period:
        case Period.ALL:
            return "all time"
        case Period.YEAR:
            return str(span.first.year)
        case Period.MONTH:
            return f"{MONTHS[span.first.month - 1]} {span.first.year}"
        case Period.WEEK:
            year, week, _ = span.first.isocalendar()
            return f"week {year}-W{week:02}"
        case Period.DAY:
            return span.first.isoformat()
