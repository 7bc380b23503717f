"""Move events from a queue to their destination, batch by batch and in order, until the destination has them."""

import random
import time
from collections.abc import Callable
from threading import Condition, Event
from typing import Final

from worker.client.queue import EventQueue, QueuedBatch
from worker.client.reporting import ErrorReporter
from worker.errors import OutboxError, StreamUnavailableError

MAX_BATCH_EVENTS: Final = 500
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_LONGEST_WISH_S: Final = 60.0
_RECHECK_INTERVAL_S: Final = 0.05


class FlushSignal:
    """Wakes one pump when a batch is worth sending. Any thread may notify.

    Args:
        flush_at: this many events are sent at once.
        flush_interval_s: fewer events wait this long for more.
        poll_interval_s: look for events this often without a signal; None if every event comes with one.
    """

    def __init__(self, *, flush_at: int, flush_interval_s: float, poll_interval_s: float | None = None) -> None:
        self._flush_at = flush_at
        self._flush_interval_s = flush_interval_s
        self._poll_interval_s = poll_interval_s
        self._not_empty = Event()
        self._due = Event()
        self._hurried = Event()

    def notify(self, waiting: int) -> None:
        """Signal how many events wait. Each call of a player comes here, so a repeated signal must be cheap."""
        if waiting >= self._flush_at and not self._due.is_set():
            self._due.set()
        if not self._not_empty.is_set():
            self._not_empty.set()

    def hurry(self) -> None:
        """End every wait, also a pause after a fault."""
        for event in (self._hurried, self._due, self._not_empty):
            event.set()

    def wait(self) -> None:
        """Wait until there is a batch to send."""
        self._not_empty.wait(self._poll_interval_s)
        self._due.wait(self._flush_interval_s)
        # Cleared before the pump looks at the queue: an event that comes later signals again.
        for event in (self._not_empty, self._due, self._hurried):
            event.clear()

    def pause(self, seconds: float) -> None:
        """Wait after a fault, however many events come meanwhile."""
        self._hurried.wait(seconds)
        self._hurried.clear()


class Pump:
    """Delivers a batch, then discards it: after a crash in between it is delivered twice, so no event is lost.

    After a fault the next batch is half as large, and after a success twice. A slow line then delivers event by event
    what it would never get through in one piece.
    """

    def __init__(
        self,
        source: EventQueue,
        deliver: Callable[[list[bytes]], None],
        *,
        flush_signal: FlushSignal,
        reporter: ErrorReporter,
    ) -> None:
        self.source = source
        self.flush_signal = flush_signal
        self._deliver = deliver
        self._reporter = reporter
        self._faults = 0
        self._limit = MAX_BATCH_EVENTS
        self._stopping = Event()
        self._delivered = Condition()

    def run(self) -> None:
        """Deliver until `stop`."""
        while not self._stopping.is_set():
            self.flush_signal.wait()
            while not self._stopping.is_set() and self._step_or_pause():
                pass

    def stop(self) -> None:
        """End after the current batch, even if more events wait."""
        self._stopping.set()
        self.flush_signal.hurry()

    @property
    def is_failing(self) -> bool:
        """Whether the last delivery failed."""
        return self._faults > 0

    @property
    def is_stopped(self) -> bool:
        return self._stopping.is_set()

    def step(self) -> bool:
        """Move one batch; False if none waits. Raises what `deliver` raises; the batch then stays in the queue."""
        batch = self.source.peek(self._limit)
        if batch is None:
            return False
        self._move(batch)
        return True

    def wait_delivered(self, number: int, *, deadline: float) -> bool:
        """Whether all events up to this number are delivered before the deadline, by the monotonic clock."""
        self.flush_signal.hurry()
        with self._delivered:
            while not self._is_delivered(number):
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return False
                # Another process may empty the outbox, and cannot notify this one.
                self._delivered.wait(min(remaining_s, _RECHECK_INTERVAL_S))
        return True

    def _is_delivered(self, number: int) -> bool:
        try:
            return self.source.is_discarded(number)
        except OutboxError:
            return False

    def _move(self, batch: QueuedBatch) -> None:
        self._deliver(batch.payloads)
        self.source.discard(batch)
        self._limit = min(MAX_BATCH_EVENTS, self._limit * 2)
        with self._delivered:
            self._delivered.notify_all()

    def _step_or_pause(self) -> bool:
        try:
            moved = self.step()
        except Exception as error:  # noqa: BLE001 -- A bug must not end the thread, and with it all publishing.
            self._faults += 1
            self._reporter.report_once(error)
            self._limit = max(1, self._limit // 2)
            self.flush_signal.pause(self._pause_s() + _wish_s(error))
            return True
        if self._faults and moved:
            self._faults = 0
            self._reporter.recovered()
        return moved

    def _pause_s(self) -> float:
        longest_s: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._faults, 10))
        return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, no secret


def _wish_s(error: Exception) -> float:
    """How much longer the server asks not to be tried."""
    return min(_LONGEST_WISH_S, error.retry_after_s) if isinstance(error, StreamUnavailableError) else 0.0
