"""Which names the IANA timezone database has: what a `timezone` preference may be."""

from collections.abc import Collection
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

# The key of the preference.
TIMEZONE: Final = "timezone"
RULE: Final = "must name a timezone of the IANA database, such as Europe/Berlin"


def names_timezone(value: Any) -> bool:
    """Whether a preference names a timezone, exactly as the database spells it."""
    return isinstance(value, str) and value in timezone_names()


def can_be_timezone(value: Any) -> bool:
    """Whether a preference can be accepted as a timezone. Without a database on this device any name can."""
    return isinstance(value, str) and (value in timezone_names() or not timezone_names())


@cache
def timezone_names() -> Collection[str]:
    # `ZoneInfo` looks names up as files, and some file systems ignore case. The list compares exactly.
    # "localtime" is the host's own timezone, and hosts may differ.
    return frozenset(available_timezones() - {"localtime"})
