"""The `time` of an event as the contract wants it: when listening began, also where a player knows only the end."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from worker.contract.events import MAX_DURATION_MS, parse_moment
from worker.contract.wire import RFC_3339
from worker.errors import InvalidEventError, Reason

_is_time: Final = re.compile(RFC_3339).match


def began(time: datetime | str | None, ended: datetime | str | None, ms_played: int | None) -> datetime | str | None:
    """When listening began: `time`, else `ms_played` before `ended` or before now. None is now.

    Raises:
        InvalidEventError: both times are given, or `ended` is without `ms_played`, or is no time.
    """
    if time is not None and ended is not None:
        raise InvalidEventError(Reason.INVALID_VALUE, "ended: must be left out where `time` is given")
    if ended is not None and ms_played is None:
        raise InvalidEventError(Reason.MISSING_FIELD, "ms_played: is required with `ended`")
    if time is not None or ms_played is None:
        return time
    # The contract refuses any other value a moment later, and names its rule.
    heard = timedelta(milliseconds=ms_played if type(ms_played) is int and 0 <= ms_played <= MAX_DURATION_MS else 0)
    try:
        return _earlier(datetime.now(UTC).astimezone() if ended is None else ended, heard)
    except OverflowError:
        raise InvalidEventError(Reason.OUT_OF_RANGE, "ended: must be a time within the years 1 to 9999") from None


def as_text(time: datetime | str | None) -> Any:
    """Write a moment with its offset; None is now, in this machine's. A text is left to the contract."""
    if time is None:
        return datetime.now().astimezone().isoformat()
    if not isinstance(time, datetime):
        return time
    _refuse_naive(time, "time")
    return time.isoformat()


def _earlier(ended: datetime | str, heard: timedelta) -> datetime | str:
    if isinstance(ended, str):
        return _earlier_text(ended, heard)
    _refuse_naive(ended, "ended")
    # By way of UTC: where the clocks changed meanwhile, the beginning has another offset than the end.
    return (ended.astimezone(UTC) - heard).astimezone(ended.tzinfo)


def _earlier_text(ended: str, heard: timedelta) -> str:
    try:
        moment = parse_moment(ended) if _is_time(ended) else None
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidEventError(Reason.INVALID_VALUE, "ended: must be an RFC 3339 time with an offset")
    at = moment.at - heard
    if moment.offset_minutes is None:
        return f"{at.replace(tzinfo=None).isoformat()}Z"
    return at.astimezone(timezone(timedelta(minutes=moment.offset_minutes))).isoformat()


def _refuse_naive(time: datetime, field: str) -> None:
    if time.tzinfo is None:
        rule = "must have a timezone; a naive datetime is not an instant (got datetime)"
        raise InvalidEventError(Reason.INVALID_VALUE, f"{field}: {rule}")
