"""Bring batches to Redis: no more than it should hold, and counted once it has acknowledged them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from worker.appender import Appender
from worker.client.counters import Counters
from worker.client.stamp import stamped
from worker.errors import StreamFullError


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sender:
    """Send a batch again until it succeeds: the events keep their ids, so what Redis got twice is recorded once.

    Each try has a stamp of its own: an event may have waited for days, and the clock been set meanwhile.

    Args:
        max_waiting: above so many entries in the stream nothing is sent; 0 means no limit. The server is asked with
            each batch, in its round trip, so several publishers may go beyond it by one batch each.
        now: the device's clock, aware.
    """

    def __init__(
        self,
        appender: Appender,
        *,
        counters: Counters,
        durable: bool,
        max_waiting: int,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._appender = appender
        self._counters = counters
        self._durable = durable
        self._max_waiting = max_waiting
        self._now = now
        self._waiting: int | None = None
        self._failed = False

    def send(self, payloads: Sequence[bytes]) -> None:
        """Return when Redis has acknowledged all of them.

        Raises:
            StreamFullError: Redis is full, or the stream holds `max_waiting` entries.
            StreamUnavailableError, StreamMisusedError, NotDurableError: see `Appender.append`.
        """
        self._ensure_room()
        if self._failed:
            self._counters.add(retried=len(payloads))
        self._failed = True
        sent = stamped(payloads, at=self._now())
        done = self._appender.append(sent, durable=self._durable, counted=bool(self._max_waiting))
        self._failed = False
        self._waiting = done.waiting
        self._counters.add(sent=len(payloads))

    def close(self) -> None:
        self._appender.close()

    def _ensure_room(self) -> None:
        if not self._max_waiting or (self._waiting is not None and self._waiting < self._max_waiting):
            return
        self._waiting = self._appender.waiting()
        if self._waiting >= self._max_waiting:
            limit = f"of {self._max_waiting:,} that may (ZIK_MAX_WAITING)"
            raise StreamFullError(f"{self._waiting:,} events wait for workers, {limit}: start more workers")
