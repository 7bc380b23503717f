"""Convert times of exports to the contract's: RFC 3339 with an offset, or `Z` if only the instant is known."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from worker.contract.events import EARLIEST_TIME
from worker.errors import InvalidEventError, Reason

# For a favorite without a time in the export: every dated event about the song is newer.
UNDATED: Final = EARLIEST_TIME.strftime("%Y-%m-%dT%H:%M:%SZ")

# From here on a count since 1970 is read as milliseconds: as seconds it would be the year 5138.
_FIRST_MILLISECONDS: Final = 10**11
_DIGITS: Final = re.compile(r"^\s*-?[0-9]{1,20}\s*$")
_HAS_OFFSET: Final = re.compile(r"(Z|z|[+-]\d\d:\d\d)$")


def _invalid(field: str, rule: str) -> InvalidEventError:
    return InvalidEventError(Reason.INVALID_VALUE, f"{field}: {rule}")


def whole_number(field: str, value: Any) -> int:
    """A whole number, given as a number or as digits."""
    if isinstance(value, str) and _DIGITS.match(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(field, "must be a whole number")
    return value


def from_epoch(field: str, value: Any) -> str:
    """A count of seconds or milliseconds since 1970."""
    number = value if isinstance(value, float) else whole_number(field, value)
    try:
        at = datetime.fromtimestamp(number / 1000 if abs(number) >= _FIRST_MILLISECONDS else number, UTC)
    except (OverflowError, OSError, ValueError):
        raise InvalidEventError(Reason.OUT_OF_RANGE, f"{field}: must be a time within the years 1 to 9999") from None
    return _text(at)


def from_local_epoch(field: str, value: Any, zone: tzinfo) -> str:
    """A count of seconds by a clock without a time zone, which counts local time."""
    naive = datetime.fromisoformat(from_epoch(field, value)).replace(tzinfo=None)
    return naive.replace(tzinfo=zone).isoformat()


def start_time(field: str, end: Any, ms_played: Any) -> str:
    """When a play began that ended at `end`, a string in UTC."""
    try:
        at = datetime.fromisoformat(str(end).removesuffix(" UTC"))
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        started_at = at - timedelta(milliseconds=whole_number("ms_played", ms_played))
    except ValueError:
        raise _invalid(field, "must be a date and a time") from None
    except OverflowError:
        raise InvalidEventError(Reason.OUT_OF_RANGE, f"{field}: must be a time within the years 1 to 9999") from None
    return _text(started_at)


def from_text(field: str, value: Any, zone: tzinfo | None) -> str:
    """A time in any format of a table: RFC 3339, seconds, milliseconds, or Last.fm's `31 May 2016, 20:46`.

    Last.fm's format is in UTC. Any other time without an offset is local time in `zone`.
    """
    if not isinstance(value, str) or value.strip().isdigit():
        return from_epoch(field, value)
    text = value.strip()
    if text[:4].isdigit():
        return _iso(field, text, zone)
    for layout in ("%d %b %Y, %H:%M", "%d %b %Y %H:%M", "%d %b %Y, %H:%M:%S", "%d %b %Y %H:%M:%S"):
        try:
            return _text(datetime.strptime(text, layout).replace(tzinfo=UTC))
        except ValueError:
            continue
    raise _invalid(field, "must be a date and a time")


def _iso(field: str, text: str, zone: tzinfo | None) -> str:
    if _HAS_OFFSET.search(text):
        # Unchanged, so that the offset is kept; the decoder validates it.
        return text.replace(" ", "T", 1)
    try:
        naive = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise _invalid(field, "must be a date and a time") from None
    if text.endswith(" UTC"):
        return _text(naive.replace(tzinfo=UTC))
    if zone is None:
        raise _invalid(field, "is a local time without an offset; add --timezone ZONE, such as Europe/Berlin")
    return naive.replace(tzinfo=zone).isoformat()


def _text(at: datetime) -> str:
    spec = "milliseconds" if at.microsecond % 1000 == 0 and at.microsecond else "auto"
    return at.replace(tzinfo=None).isoformat(timespec=spec) + "Z"
