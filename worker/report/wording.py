"""Figures in words."""

from datetime import date
from typing import Final

_MINUTE_MS: Final = 60_000
_HOUR_MIN: Final = 60
_MANY_HOURS: Final = 100
_UNKNOWN: Final = "\N{EN DASH}"

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_name(day: date) -> str:
    """Write a day as in running text.

    >>> day_name(date(2026, 11, 3))
    '3 Nov 2026'
    """
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def duration(milliseconds: int) -> str:
    """Write hours and whole minutes. 0 becomes a dash: it is the sum when no player reports lengths.

    >>> duration(7_500_000), duration(59_999)
    ('2 h 05 min', '0 min')
    """
    if not milliseconds:
        return _UNKNOWN
    hours, minutes = divmod(milliseconds // _MINUTE_MS, _HOUR_MIN)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"


def minutes(milliseconds: int | None) -> str:
    """Write the length of a play as a player shows it. A dash if no player has reported it.

    >>> minutes(181_200), minutes(7_500_000)
    ('3:01', '125:00')
    """
    if milliseconds is None:
        return _UNKNOWN
    whole, seconds = divmod(milliseconds // 1000, 60)
    return f"{whole:,}:{seconds:02}"


def roughly(milliseconds: int) -> str:
    """Write whole hours from 100 hours on.

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
    """Write a percentage, 0 % of nothing.

    >>> share(1, 8), share(0, 0)
    ('12 %', '0 %')
    """
    return f"{part / whole if whole else 0:.0%}".replace("%", " %")
