"""Figures in words."""

from datetime import date
from typing import Final

_MINUTE_MS: Final = 60_000
_HOUR_MIN: Final = 60
_MANY_HOURS: Final = 100
_DAY_H: Final = 24
_UNKNOWN: Final = "\N{EN DASH}"

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

WEEKDAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


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


def length(milliseconds: int | None) -> str:
    """Write the length of a play as a player shows it. A dash if no player has reported it.

    >>> length(181_200), length(7_500_000)
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


def minutes(milliseconds: int) -> str:
    """Write whole minutes.

    >>> minutes(7_500_000), minutes(60_000)
    ('125 minutes', '1 minute')
    """
    return amount(milliseconds // _MINUTE_MS, "minute")


def days_and_hours(milliseconds: int) -> str:
    """Write a long time as days and nights, and a short one as hours or minutes.

    >>> days_and_hours(3_995_517_368), days_and_hours(90_000_000), days_and_hours(5_000_000), days_and_hours(60_000)
    ('46 days and nights', '25 hours', '83 minutes', '1 minute')
    """
    hours = milliseconds // (_HOUR_MIN * _MINUTE_MS)
    if hours >= 2 * _DAY_H:
        return f"{hours // _DAY_H:,} days and nights"
    return amount(hours, "hour") if hours > 1 else minutes(milliseconds)


def counted_from(source: str) -> str:
    """Say of a play that another source reports too, and whose report counts.

    >>> counted_from("mpd/0.23"), counted_from("")
    ('counted once, from mpd/0.23', 'counted once, from another player')
    """
    return f"counted once, from {source or 'another player'}"


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
