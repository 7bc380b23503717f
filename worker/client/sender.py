"""Send batches to the stream, stamped with the device's clock, within the stream's limit, and count them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from worker.client.events import id_of
from worker.client.reporting import Counters
from worker.contract.clock_skew import utc_now
from worker.contract.events import MAX_EVENT_BYTES
from worker.errors import EventDroppedError
from worker.stream.backpressure import Backpressure
from worker.stream.transport import Transport


class Sender:
    """Send a batch; after an error the caller sends it again. Events keep their ids, so a repetition is recorded once.

    Each try is stamped again: an event may have waited for days, and the device's clock may have been set meanwhile.

    Args:
        transport: closed by `close`.
        max_waiting: see `Backpressure`.
        now: the device's clock, aware.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        counters: Counters,
        durable: bool,
        max_waiting: int,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._transport = transport
        self._counters = counters
        self._durable = durable
        self._backpressure = Backpressure(transport, max_waiting=max_waiting)
        self._now = now
        self._failed = False
        # Both threads of a client send while its disk is at fault.
        self._lock = threading.Lock()

    def send(self, payloads: Sequence[bytes]) -> list[EventDroppedError]:
        """Return when Redis has acknowledged all of them but those that the errors name: they are refused for good.

        Raises:
            StreamFullError: Redis is full, or the stream holds `max_waiting` entries.
            StreamUnavailableError, OperatorError: see `Transport.append`.
        """
        with self._lock:
            self._backpressure.check()
            if self._failed:
                self._counters.add(retried=len(payloads))
            self._failed = True
            refused = self._backpressure.append(stamped(payloads, at=self._now()), durable=self._durable).refused
            self._failed = False
        self._counters.add(sent=len(payloads) - len(refused), refused=len(refused))
        return _dropped(payloads, refused)

    def close(self) -> None:
        self._transport.close()


def _dropped(payloads: Sequence[bytes], refused: Mapping[int, str]) -> list[EventDroppedError]:
    """An error for each reason."""
    ids: dict[str, list[str]] = {}
    for position, why in refused.items():
        ids.setdefault(why, []).append(id_of(payloads[position]))
    return [EventDroppedError(event_ids, f"the server refuses this for good, {why}") for why, event_ids in ids.items()]


def stamped(payloads: Sequence[bytes], *, at: datetime) -> list[bytes]:
    """The events with `sent_at` as their last field. An event that the stamp would make too large stays without it.

    Args:
        payloads: JSON objects with at least one field, as `encode` writes them.
        at: the device's clock, aware.
    """
    ending = b',"sent_at":"%bZ"}' % at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds").encode()
    max_bytes = MAX_EVENT_BYTES + 1 - len(ending)
    return [payload[:-1] + ending if len(payload) <= max_bytes else payload for payload in payloads]
