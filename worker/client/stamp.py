"""The stamp `sent_at`: when a client sends an event, by the clock that also told the event's time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from worker.contract.events import MAX_EVENT_BYTES


def stamped(payloads: Sequence[bytes], *, at: datetime) -> list[bytes]:
    """The events with the stamp as their last field. One that would grow too large for the contract goes without.

    Args:
        payloads: JSON objects with at least one field, as `encode` writes them.
        at: the device's clock, aware.
    """
    end = b',"sent_at":"%bZ"}' % at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds").encode()
    most = MAX_EVENT_BYTES + 1 - len(end)
    return [payload[:-1] + end if len(payload) <= most else payload for payload in payloads]
