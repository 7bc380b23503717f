"""Deliver events from threads, so that a call costs the player no more than a place in a queue."""

import threading
import time
from collections.abc import Sequence
from typing import Final

from worker.client.events import id_of
from worker.client.options import DeliveryOptions
from worker.client.outbox import NO_OUTBOX, Outbox
from worker.client.pump import FlushSignal, Pump
from worker.client.queue import MemoryQueue
from worker.client.reporting import Counters, ErrorReporter
from worker.client.safe_store import SafeStore
from worker.client.sender import Sender
from worker.errors import EventDroppedError, OutboxError

# Another process, or an earlier run, adds to the outbox without a signal to this one.
_OUTBOX_POLL_INTERVAL_S: Final = 1.0
_SLOW_DISK_TIMEOUT_S: Final = 1.0
# Added to the caller's timeout: a thread that is not stuck in a system call ends within it.
_JOIN_TIMEOUT_S: Final = 0.2


class BackgroundDelivery:
    """Memory → Redis in one thread; with an outbox, memory → outbox → Redis in two.

    With one thread for both, a Redis that hangs would keep events from the disk.
    """

    def __init__(self, sender: Sender, outbox: Outbox | None, *, options: DeliveryOptions, counters: Counters) -> None:
        self._memory = MemoryQueue(options.max_queue)
        self._sender = sender
        self._outbox = outbox
        self._counters = counters
        self._reporter = ErrorReporter(options.on_error)
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._lock = threading.Lock()
        to_redis = Pump(
            self._memory if outbox is None else outbox,
            self._send,
            flush_signal=FlushSignal(
                flush_at=options.flush_at,
                flush_interval_s=options.flush_interval_s,
                poll_interval_s=None if outbox is None else _OUTBOX_POLL_INTERVAL_S,
            ),
            reporter=ErrorReporter(options.on_error, other=None if outbox is None else outbox.reporter),
        )
        self._pumps = [to_redis]
        self._safe = None if outbox is None else SafeStore(outbox, self._send)
        if outbox is not None and self._safe is not None:
            reporter = ErrorReporter(options.on_error, other=outbox.reporter)
            self._pumps.insert(0, _pump_to_disk(self._memory, self._safe, to_redis.flush_signal, reporter))

    def _send(self, payloads: Sequence[bytes]) -> None:
        for refusal in self._sender.send(payloads):
            self._reporter.report(refusal)

    def put(self, payloads: Sequence[bytes]) -> None:
        if not self._threads:
            self.start()
        dropped = [payload for payload in payloads if not self._enqueue(payload)]
        self._pumps[0].flush_signal.notify(self._memory.count())
        if dropped:
            limit = f"{self._memory.max_events:,} events already wait in memory (max_queue)"
            self._report_dropped(dropped, f"{limit}, or the client is closed")

    def _enqueue(self, payload: bytes) -> bool:
        if self._memory.put(payload):
            return True
        to_disk = self._pumps[0]
        if self._outbox is None or to_disk.is_failing or to_disk.is_stopped:
            return False
        # Waiting for a disk that is only slow is better than losing an event. A full or broken disk is not waited for.
        half_empty = self._memory.last_number() - self._memory.max_events // 2
        to_disk.wait_delivered(half_empty, deadline=time.monotonic() + _SLOW_DISK_TIMEOUT_S)
        return self._memory.put(payload)

    def start(self) -> None:
        """Start the threads unless they run. With an outbox the client calls this at once, to send what it holds."""
        with self._lock:
            if not self._threads:
                threads = [threading.Thread(target=self._run, args=[pump], daemon=True) for pump in self._pumps]
                self._running = len(threads)
                for thread in threads:
                    thread.start()
                self._threads = threads

    def _run(self, pump: Pump) -> None:
        pump.run()
        with self._lock:
            self._running -= 1
            is_last = not self._running
        # The last thread closes: one that hangs in a system call must not find its connection or file closed.
        if is_last:
            self._release()

    def _release(self) -> None:
        self._sender.close()
        if self._outbox is not None:
            self._outbox.close()

    def flush(self, timeout_s: float) -> bool:
        is_delivered = self._wait_delivered(self._pumps, time.monotonic() + timeout_s)
        return is_delivered and (self._safe is None or self._safe.has_sent_all())

    def flush_outbox(self, timeout_s: float) -> bool:
        if self._safe is None:
            raise OutboxError(NO_OUTBOX)
        return self._wait_delivered(self._pumps[:1], time.monotonic() + timeout_s) and self._safe.keeps_all()

    def close(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        self._wait_delivered(self._pumps, deadline)
        for pump in self._pumps:
            pump.stop()
        for thread in self._threads:
            thread.join(max(_JOIN_TIMEOUT_S, deadline - time.monotonic()))
        if lost := self._memory.close():
            self._report_dropped(lost, "the client was closed before Redis had acknowledged them")
        if not self._threads:
            self._release()

    def _wait_delivered(self, pumps: Sequence[Pump], deadline: float) -> bool:
        for pump in pumps:
            try:
                last = pump.source.last_number()
            except OutboxError:
                return False
            if not pump.wait_delivered(last, deadline=deadline):
                return False
        return True

    def _report_dropped(self, payloads: list[bytes], why: str) -> None:
        self._counters.add(dropped=len(payloads))
        self._reporter.report(EventDroppedError([id_of(payload) for payload in payloads], why))


def _pump_to_disk(memory: MemoryQueue, safe: SafeStore, redis_signal: FlushSignal, reporter: ErrorReporter) -> Pump:
    def store(payloads: list[bytes]) -> None:
        safe.put_or_report(payloads)
        redis_signal.notify(len(payloads))

    # No interval: an event is safe only once it is on disk.
    return Pump(memory, store, flush_signal=FlushSignal(flush_at=1, flush_interval_s=0), reporter=reporter)
