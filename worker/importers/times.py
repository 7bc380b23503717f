"""Read times of exports. A time has an offset, or `Z` if only the instant is known, or none of both if it is local."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from worker.contract.events import EARLIEST_TIME, MAX_DURATION_MS
from worker.errors import InvalidEventError, Reason

# For a favorite without a time in the export: every dated event about the song is newer.
UNDATED: Final = EARLIEST_TIME.strftime("%Y-%m-%dT%H:%M:%SZ")

# From here on a count since 1970 is read as milliseconds: as seconds it would be the year 5138.
_FIRST_MILLISECONDS: Final = 10**11
_WHOLE: Final = re.compile(r"^\s*(-?[0-9]{1,20})(\.0*)?\s*$")
_NUMBER: Final = re.compile(r"^\s*-?[0-9]{1,20}(\.[0-9]*)?\s*$")
# `+00`, `+0000`, ` +00:00`, ` UTC`, `+0100 CET`: databases and programming languages write offsets in many ways.
_ISO: Final = re.compile(
    r"^(?P<year>\d{4})[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)"
    r"(?:[T ](?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?:[.,](?P<fraction>\d+))?"
    r"\s*(?:(?P<utc>Z|UTC|GMT)"
    r"|(?:UTC|GMT)?(?P<sign>[+\-\u2212])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?(?:\s+[A-Z]{2,5}|\[[^\]]+\])?)?)?$",
    re.IGNORECASE,
)
# Last.fm's own spelling is in UTC, that of IFTTT's logs is local.
_UTC_LAYOUTS: Final = ("%d %b %Y, %H:%M", "%d %b %Y %H:%M", "%d %b %Y, %H:%M:%S", "%d %b %Y %H:%M:%S")
_LOCAL_LAYOUTS: Final = ("%B %d, %Y at %I:%M%p", "%b %d, %Y at %I:%M%p")

_MINUTE_LAST: Final = re.compile(r"(?<![\d:])\d{1,2}:\d\d(?![:\d])")


def _invalid(field: str, rule: str) -> InvalidEventError:
    return InvalidEventError(Reason.INVALID_VALUE, f"{field}: {rule}")


def _out_of_range(field: str) -> InvalidEventError:
    return InvalidEventError(Reason.OUT_OF_RANGE, f"{field}: must be a time within the years 1 to 9999")


def whole(value: Any, *, times: int = 1) -> Any:
    """A whole number, given as a number or as digits, multiplied; anything else unchanged.

    For details without which a play is still a play: the contract refuses what is no number, and it is left out.
    """
    if type(value) is int:
        return value * times
    if isinstance(value, str) and (digits := _WHOLE.match(value)):
        return int(digits[1]) * times
    return int(value) * times if isinstance(value, float) and value.is_integer() else value


def from_epoch(field: str, value: Any) -> str:
    """A count of seconds or milliseconds since 1970."""
    if isinstance(value, str) and _NUMBER.match(value):
        value = float(value)
    if type(value) not in {int, float}:
        raise _invalid(field, "must be a number of seconds since 1970")
    return _from_number(field, value)


def _from_number(field: str, number: float) -> str:
    try:
        return rfc_3339(datetime.fromtimestamp(number / 1000 if abs(number) >= _FIRST_MILLISECONDS else number, UTC))
    except (OverflowError, OSError, ValueError):
        raise _out_of_range(field) from None


def from_local_epoch(field: str, value: Any) -> str:
    """A count of seconds by a clock without a time zone, which counts local time."""
    return from_epoch(field, value).removesuffix("Z")


def instant(field: str, value: Any) -> datetime:
    """A time in UTC, or with an offset."""
    try:
        at = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        try:
            at = datetime.fromisoformat(from_text(field, value))
        except OverflowError:
            raise _out_of_range(field) from None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise _out_of_range(field) from None


def start_time(field: str, end: Any, ms_played: Any) -> str:
    """When a play began that ended at `end`, in UTC. `end` itself if `ms_played` is no time heard, in milliseconds."""
    at = instant(field, end)
    is_known = type(ms_played) is int and 0 <= ms_played <= MAX_DURATION_MS
    try:
        return rfc_3339(at - timedelta(milliseconds=ms_played) if is_known else at)
    except OverflowError:
        raise _out_of_range(field) from None


def from_text(field: str, value: Any) -> str:
    """A time in any format of a table: ISO 8601, seconds, milliseconds, Last.fm's `31 May 2016, 20:46`, RFC 5322.

    Returns:
        RFC 3339 with an offset or `Z`; or without both if the time is local; or only the date if the text has no time.
    """
    if not isinstance(value, str):
        if type(value) in {int, float}:
            return _from_number(field, value)
        raise _invalid(field, "must be a date and a time")
    if value.isdigit() or _NUMBER.match(value):
        return from_epoch(field, value)
    text = value.strip()
    if found := _ISO.match(text):
        return _iso(field, found)
    for layout in (*_UTC_LAYOUTS, *_LOCAL_LAYOUTS, "%d %b %Y"):
        try:
            at = datetime.strptime(text, layout)  # noqa: DTZ007 -- The layout says whether it is in UTC.
        except ValueError:
            continue
        if layout in _UTC_LAYOUTS:
            return rfc_3339(at.replace(tzinfo=UTC))
        return at.isoformat() if layout in _LOCAL_LAYOUTS else at.date().isoformat()
    return _rfc_5322(field, text)


def _iso(field: str, found: re.Match[str]) -> str:
    day = f"{found['year']}-{found['month']}-{found['day']}"
    text = day
    if found["minute"]:
        fraction = f".{found['fraction'][:6]}" if found["fraction"] else ""
        text = f"{day}T{found['minute']}{found['second'] or ':00'}{fraction}{_offset(found)}"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(field, "must be a date and a time that exist") from None
    return text


def _offset(found: re.Match[str]) -> str:
    if found["utc"]:
        return "Z"
    if not found["sign"]:
        return ""
    sign = "+" if found["sign"] == "+" else "-"
    return f"{sign}{found['hours']:0>2}:{found['minutes'] or '00'}"


def _rfc_5322(field: str, text: str) -> str:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        raise _invalid(field, "must be a date and a time") from None
    return at.isoformat() if at.tzinfo else rfc_3339(at.replace(tzinfo=UTC))


def rfc_3339(at: datetime) -> str:
    """An instant in UTC, with `Z`, because the listener's offset is not known."""
    spec = "milliseconds" if at.microsecond % 1000 == 0 and at.microsecond else "auto"
    return at.isoformat(timespec=spec).removesuffix("+00:00") + "Z"


def is_to_the_minute(text: Any) -> bool:
    """Whether the text of a time has hours and minutes, and no seconds."""
    return isinstance(text, str) and _MINUTE_LAST.search(_without_offset(text)) is not None


def _without_offset(text: str) -> str:
    """`+01:00` looks like a time without seconds."""
    return re.sub(r"[+\-\u2212]\d\d?:\d\d\s*$", "", text)
