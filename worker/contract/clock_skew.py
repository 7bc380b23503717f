"""Clock skew: when an event was, by the clock of the Redis that received it, where the device's own clock is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from worker.contract.events import EARLIEST_TIME, Event, Moment
from worker.errors import InvalidEventError, Reason

# Clocks that are set over the network differ by less, and an event is seldom on its way for longer.
TOLERATED: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def received_at(entry_id: str, *, now: datetime) -> datetime | None:
    """When Redis received the entry: the milliseconds that its id begins with. None where somebody made the id up.

    A publisher may choose an id, and Redis counts on from one in the future (also from one that its own clock made
    before it was set back). So a time is believed only within the range of `time`, and but a minute ahead of `now`,
    the worker's clock.
    """
    ms = int(entry_id.partition("-")[0])
    # By numbers: an id may be beyond the years that a datetime knows.
    if (EARLIEST_TIME - _EPOCH) // _MS <= ms <= (now + TOLERATED - _EPOCH) // _MS:
        return _EPOCH + ms * _MS
    return None


def corrected(event: Event, *, entry_id: str, now: datetime) -> Event:
    """The event at its corrected time, where its `sent_at` shows that the device's clock is wrong by over a minute.

    Its id stays: a derived one is of the time as told, so that a retry, whose skew is never quite the same, meets it.

    Raises:
        InvalidEventError: the corrected time is beyond the years 1 to 9999.
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
