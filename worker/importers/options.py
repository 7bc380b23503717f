"""Read what a user says about the times and the encoding of their files."""

import codecs
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from worker.contract.events import EARLIEST_TIME
from worker.contract.timezones import names_timezone
from worker.importers.clock import Clock, Move, Zones

TIMEZONE: Final = "timezone"
SHIFT: Final = "shift"
UNDATED: Final = "undated"
ENCODING: Final = "encoding"
_SHIFT: Final = re.compile(r"(?P<sign>[+-]?)(?:(?P<days>\d{1,6})d)?(?:(?P<hours>\d{1,6})h)?(?:(?P<minutes>\d{1,6})m)?")


class OptionError(ValueError):
    """An option makes no sense. The text is the rule."""

    def __init__(self, option: str, rule: str) -> None:
        super().__init__(rule)
        self.option = option


def clock_of(zones: Sequence[str], shift: str | None, undated: str | None, *, today: date) -> Clock:
    """What is said about the times; nothing where an option is None. Raises OptionError."""
    return Clock(
        zones_of(zones),
        timedelta(0) if shift is None else shift_of(shift),
        None if undated is None else undated_of(undated, today=today),
    )


def zones_of(names: Sequence[str]) -> Zones | None:
    """The listener's zone, or zones: `Europe/Berlin`, and from a day on `America/New_York@2023-05-01`."""
    moves = [_move(name) for name in names]
    days = [move.since for move in moves]
    if not moves:
        return None
    if date.min not in days:
        raise OptionError(TIMEZONE, "one zone must be without a day, for the time before")
    if len(set(days)) < len(days):
        raise OptionError(TIMEZONE, "two zones from the same day on")
    return Zones(moves)


def _move(text: str) -> Move:
    name, at, day = text.partition("@")
    if not names_timezone(name):
        raise OptionError(TIMEZONE, "no such time zone; use a name such as Europe/Berlin")
    return Move(_day(day, TIMEZONE) if at else date.min, ZoneInfo(name))


def shift_of(text: str) -> timedelta:
    """A duration such as `-1h30m` or `4018d2h`."""
    found = _SHIFT.fullmatch(text)
    if found is None or text.strip("+-") == "":
        raise OptionError(SHIFT, "must be days, hours and minutes, such as 4018d2h or -1h30m")
    length = timedelta(**{name: int(found[name] or 0) for name in ("days", "hours", "minutes")})
    return -length if found["sign"] == "-" else length


def undated_of(text: str, *, today: date) -> date:
    day = _day(text, UNDATED)
    if not EARLIEST_TIME.date() <= day <= today:
        raise OptionError(UNDATED, f"must be from {EARLIEST_TIME:%Y-%m-%d} to today")
    return day


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OptionError(option, "a day must be as in 2023-05-01") from None


def encoding_of(name: str | None) -> str | None:
    """The encoding, None for UTF-8. Raises OptionError for a name that none has."""
    try:
        "".encode(name or "utf-8")
        codecs.getincrementaldecoder(name or "utf-8")
    # ValueError: the name has characters that none has, or the encoding takes no text.
    except (LookupError, ValueError):
        raise OptionError(ENCODING, "no such encoding; use a name such as cp1252") from None
    return name
