"""Read the options of `zik import` that say something about the times and the encoding of its files."""

import codecs
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import typer

from worker.contract.events import EARLIEST_TIME
from worker.contract.timezones import names_timezone
from worker.importers.clock import Move, Zones

_SHIFT: Final = re.compile(r"(?P<sign>[+-]?)(?:(?P<days>\d{1,6})d)?(?:(?P<hours>\d{1,6})h)?(?:(?P<minutes>\d{1,6})m)?")


def zones_of(names: list[str]) -> Zones | None:
    """The listener's zone, or zones: `Europe/Berlin`, and from a day on `America/New_York@2023-05-01`."""
    moves = [_move(name) for name in names]
    days = [move.since for move in moves]
    if not moves:
        return None
    if date.min not in days:
        raise typer.BadParameter("one zone must be without a day, for the time before", param_hint="--timezone")
    if len(set(days)) < len(days):
        raise typer.BadParameter("two zones from the same day on", param_hint="--timezone")
    return Zones(moves)


def _move(text: str) -> Move:
    name, at, day = text.partition("@")
    if not names_timezone(name):
        raise typer.BadParameter("no such time zone; use a name such as Europe/Berlin", param_hint="--timezone")
    return Move(_day(day, "--timezone") if at else date.min, ZoneInfo(name))


def shift_of(text: str | None) -> timedelta:
    """A duration such as `-1h30m` or `4018d2h`."""
    if text is None:
        return timedelta(0)
    found = _SHIFT.fullmatch(text)
    if found is None or text.strip("+-") == "":
        raise typer.BadParameter("must be days, hours and minutes, such as 4018d2h or -1h30m", param_hint="--shift")
    length = timedelta(**{name: int(found[name] or 0) for name in ("days", "hours", "minutes")})
    return -length if found["sign"] == "-" else length


def undated_of(text: str | None) -> date | None:
    if text is None:
        return None
    day = _day(text, "--undated")
    if not EARLIEST_TIME.date() <= day <= datetime.now(UTC).date():
        rule = f"must be from {EARLIEST_TIME:%Y-%m-%d} to today"
        raise typer.BadParameter(rule, param_hint="--undated")
    return day


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a day must be as in 2023-05-01", param_hint=option) from None


def encoding_of(name: str | None) -> str | None:
    try:
        "".encode(name or "utf-8")
        codecs.getincrementaldecoder(name or "utf-8")
    except LookupError:
        raise typer.BadParameter("no such encoding; use a name such as cp1252", param_hint="--encoding") from None
    return name
