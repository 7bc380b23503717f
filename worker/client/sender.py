"""Bring batches to Redis: no more than it should hold, and counted once it has acknowledged them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from worker.client.reporting import Counters
from worker.contract.events import MAX_EVENT_BYTES
from worker.stream.backpressure import Backpressure
from worker.stream.producer import Producer


def stamped(payloads: Sequence[bytes], *, at: datetime) -> list[bytes]:
    """The events with the stamp as their last field. One that would grow too large for the contract goes without.

    Args:
        payloads: JSON objects with at least one field, as `encode` writes them.
        at: the device's clock, aware.
    """
    end = b',"sent_at":"%bZ"}' % at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds").encode()
    most = MAX_EVENT_BYTES + 1 - len(end)
    return [payload[:-1] + end if len(payload) <= most else payload for payload in payloads]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sender:
    """Send a batch again until it succeeds: the events keep their ids, so what Redis got twice is recorded once.

    Each try has a stamp of its own: an event may have waited for days, and the clock been set meanwhile.

    Args:
        max_waiting: see `Backpressure`.
        now: the device's clock, aware.
    """

    def __init__(
        self,
        producer: Producer,
        *,
        counters: Counters,
        durable: bool,
        max_waiting: int,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._producer = producer
        self._counters = counters
        self._durable = durable
        self._backpressure = Backpressure(producer, max_waiting=max_waiting)
        self._now = now
        self._failed = False

    def send(self, payloads: Sequence[bytes]) -> None:
        """Return when Redis has acknowledged all of them.

        Raises:
            StreamFullError: Redis is full, or the stream holds `max_waiting` entries.
            StreamUnavailableError, StreamMisusedError, NotDurableError: see `Producer.append`.
        """
        self._backpressure.check()
        if self._failed:
            self._counters.add(retried=len(payloads))
        self._failed = True
        sent = stamped(payloads, at=self._now())
        self._backpressure.append(sent, durable=self._durable)
        self._failed = False
        self._counters.add(sent=len(payloads))

    def close(self) -> None:
        self._producer.close()
