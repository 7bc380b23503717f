"""Correct the time of an event from a device with a wrong clock, by the clock of the Redis that received it.

Depends on nothing but the event and its entry, so that an entry that is read again gets the same time.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import astuple, replace

from worker.contract.events import EARLIEST_TIME, Event, Moment, PlayEvent
from worker.errors import InvalidEventError, Reason

# Clocks set over the network differ by less, and an event is rarely in transit for longer.
TOLERATED: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_EARLIEST_MS: Final = (EARLIEST_TIME - _EPOCH) // _MS
_LATEST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS


def utc_now() -> datetime:
    return datetime.now(UTC)


def received_at(entry_id: str, *, now: datetime) -> datetime | None:
    """When Redis received the entry: its id begins with milliseconds since 1970. None if the id is implausible.

    A publisher may choose an id, and Redis counts on from one in the future, even from one that its own clock made
    before it was set back. So a time is trusted only within the range of `time`, and up to a minute ahead of `now`, the
    worker's clock.
    """
    ms = int(entry_id.partition("-")[0])
    # First compared as integers, because an id may exceed the range of datetime.
    if not _EARLIEST_MS <= ms <= _LATEST_MS:
        return None
    received = _EPOCH + ms * _MS
    return received if received <= now + TOLERATED else None


def corrected(event: Event, *, entry_id: str, now: datetime) -> Event:
    """Return the event at its corrected time, if `sent_at` shows that the device's clock is wrong by over a minute.

    The id stays: a derived one uses the reported time, so that a retry, whose skew is never quite the same, has it too.

    Raises:
        InvalidEventError: the corrected time is outside the years 1 to 9999.
    """
    received = received_at(entry_id, now=now)
    if event.sent_at is None or received is None:
        return event
    skew = received - event.sent_at.at
    if abs(skew) <= TOLERATED:
        return event
    reported_at = event.time.at
    try:
        at = reported_at + skew
    except OverflowError:
        rule = "must be within the years 1 to 9999 when corrected by sent_at"
        raise InvalidEventError(Reason.OUT_OF_RANGE, f"time: {rule}") from None
    return replace(event, time=Moment(at, event.time.offset_minutes, reported_at))


def not_after_receipt(event: Event, *, entry_id: str, now: datetime) -> Event:
    """Return a favorite or preference at the time of its receipt at the latest.

    Otherwise one that is dated ahead would win over every genuine change until then.
    """
    if isinstance(event, PlayEvent):
        return event
    received = received_at(entry_id, now=now)
    if received is None or event.time.at <= received:
        return event
    _, offset_minutes, reported_at = astuple(event.time)
    return replace(event, time=Moment(received, offset_minutes, reported_at or event.time.at))
