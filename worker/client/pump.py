"""Move events on, batch by batch and in order, whatever the other side does: the loop of a client's thread."""

import random
import time
from collections.abc import Callable
from threading import Condition, Event
from typing import Final

from worker.client.queue import EventQueue, QueuedBatch
from worker.client.reporting import ErrorReporter
from worker.errors import OutboxError


class FlushSignal:
    """Rung from any thread; one pump waits.

    Args:
        flush_at: so many events are worth a batch at once.
        flush_interval_s: fewer wait so long for company.
        look_every_s: look also when nobody has rung; None where nobody else can put events there.
    """

    def __init__(self, *, flush_at: int, flush_interval_s: float, look_every_s: float | None = None) -> None:
        self._flush_at = flush_at
        self._flush_interval_s = flush_interval_s
        self._look_every_s = look_every_s
        self._some = Event()
        self._due = Event()
        self._hurried = Event()

    def ring(self, waiting: int) -> None:
        """Say that so many events wait. Cheap when it has been said already: each call of a player comes here."""
        if waiting >= self._flush_at and not self._due.is_set():
            self._due.set()
        if not self._some.is_set():
            self._some.set()

    def hurry(self) -> None:
        """End every wait, a pause after a fault too."""
        for event in (self._hurried, self._due, self._some):
            event.set()

    def wait(self) -> None:
        """Until there is something to do."""
        self._some.wait(self._look_every_s)
        self._due.wait(self._flush_interval_s)
        # Before the pump looks: what comes after that look rings anew.
        for event in (self._some, self._due, self._hurried):
            event.clear()

    def pause(self, seconds: float) -> None:
        """Wait after a fault, however many events come meanwhile."""
        self._hurried.wait(seconds)
        self._hurried.clear()


MOST: Final = 500
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.05


class Pump:
    """Peeks at a batch, delivers it, and discards it only then: a crash in between delivers it twice, never not."""

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
        self._stopping = Event()
        self._moved = Condition()

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            self.flush_signal.wait()
            while not self._stopping.is_set() and self._step():
                pass

    def stop(self) -> None:
        """End after the step at hand, whatever still waits."""
        self._stopping.set()
        self.flush_signal.hurry()

    @property
    def is_in_trouble(self) -> bool:
        """Whether the last delivery failed."""
        return self._faults > 0

    @property
    def is_stopped(self) -> bool:
        return self._stopping.is_set()

    def step(self) -> bool:
        """Move one batch; False where none waits. Raises what `deliver` raises; the batch then stays."""
        batch = self.source.peek(MOST)
        if batch is None:
            return False
        self._move(batch)
        return True

    def wait_passed(self, number: int, *, deadline: float) -> bool:
        """Whether the events up to this number have moved on before the deadline, by the monotonic clock."""
        self.flush_signal.hurry()
        with self._moved:
            while not self._passed(number):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                # An outbox may also be emptied by another process, which cannot notify this one.
                self._moved.wait(min(left_s, _LOOK_AGAIN_S))
        return True

    def _passed(self, number: int) -> bool:
        try:
            return self.source.passed(number)
        except OutboxError:
            return False

    def _move(self, batch: QueuedBatch) -> None:
        self._deliver(batch.payloads)
        self.source.discard(batch)
        with self._moved:
            self._moved.notify_all()

    def _step(self) -> bool:
        try:
            moved = self.step()
        except Exception as error:  # noqa: BLE001 -- A defect must not end the thread, and with it all publishing.
            self._faults += 1
            self._reporter.tell(error)
            self.flush_signal.pause(self._pause_s())
            return True
        if self._faults and moved:
            self._faults = 0
            self._reporter.settle()
        return moved

    def _pause_s(self) -> float:
        longest: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._faults, 10))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, no secret
