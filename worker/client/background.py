"""Delivery by threads: a call costs the player a place in a queue, and nothing else."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from worker.client.events import ANY_TIME
from worker.client.options import Options
from worker.client.outbox import NO_OUTBOX, Outbox
from worker.client.pump import FlushSignal, Pump
from worker.client.queue import MemoryQueue
from worker.client.reporting import Counters, ErrorReporter
from worker.client.sender import Sender
from worker.contract.codec import decode
from worker.errors import EventDroppedError, OutboxError

# Events of another process, or of an earlier run, lie in the outbox without anybody ringing.
_LOOK_EVERY_S: Final = 1.0
_SLOW_DISK_S: Final = 1.0
# What a thread may need beyond the time to close, if it does not hang in a system call.
_ENDING_S: Final = 0.2
# For reading what has been checked before: no event is ahead of it.
_LATE: Final = datetime(9000, 1, 1, tzinfo=UTC)


class Background:
    """MemoryQueue → Redis by one thread; or with an outbox, memory → outbox → Redis by two.

    Two, because a Redis that hangs must not keep events from the disk.
    """

    def __init__(self, sender: Sender, outbox: Outbox | None, *, options: Options, counters: Counters) -> None:
        self._memory = MemoryQueue(options.max_queue)
        self._sender = sender
        self._outbox = outbox
        self._counters = counters
        self._drops = ErrorReporter(options.on_error)
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._starting = threading.Lock()
        to_redis = Pump(
            self._memory if outbox is None else outbox,
            sender.send,
            flush_signal=FlushSignal(
                flush_at=options.flush_at,
                flush_interval_s=options.flush_interval_s,
                look_every_s=None if outbox is None else _LOOK_EVERY_S,
            ),
            reporter=ErrorReporter(options.on_error),
        )
        self._pumps = [to_redis]
        if outbox is not None:
            self._pumps.insert(
                0, _to_disk(self._memory, outbox, to_redis.flush_signal, ErrorReporter(options.on_error))
            )

    def put(self, payloads: Sequence[bytes]) -> None:
        if not self._threads:
            self.start()
        dropped = [payload for payload in payloads if not self._take(payload)]
        self._pumps[0].flush_signal.ring(self._memory.count())
        if dropped:
            self._tell_dropped(dropped, f"{self._memory.most:,} events wait (max_queue), or the client is closed")

    def _take(self, payload: bytes) -> bool:
        if self._memory.put(payload):
            return True
        to_disk = self._pumps[0]
        if self._outbox is None or to_disk.is_in_trouble or to_disk.is_stopped:
            return False
        # Rather than lose an event wait for a disk that is only slow; never for one that is full or broken.
        half_empty = self._memory.last() - self._memory.most // 2
        to_disk.wait_passed(half_empty, deadline=time.monotonic() + _SLOW_DISK_S)
        return self._memory.put(payload)

    def start(self) -> None:
        """Safe to call at any time; a client with an outbox does so at once, for what an earlier run left there."""
        with self._starting:
            if not self._threads:
                threads = [threading.Thread(target=self._run, args=[pump], daemon=True) for pump in self._pumps]
                self._running = len(threads)
                for thread in threads:
                    thread.start()
                self._threads = threads

    def _run(self, pump: Pump) -> None:
        pump.run()
        with self._starting:
            self._running -= 1
            is_last = not self._running
        # By the last thread: one that hangs in a system call must not find its connection or file closed.
        if is_last:
            self._release()

    def _release(self) -> None:
        self._sender.close()
        if self._outbox is not None:
            self._outbox.close()

    def flush(self, timeout_s: float) -> bool:
        return self._passed(self._pumps, time.monotonic() + timeout_s)

    def flush_outbox(self, timeout_s: float) -> bool:
        if self._outbox is None:
            raise OutboxError(NO_OUTBOX)
        return self._passed(self._pumps[:1], time.monotonic() + timeout_s)

    def close(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        self._passed(self._pumps, deadline)
        for pump in self._pumps:
            pump.stop()
        for thread in self._threads:
            thread.join(max(_ENDING_S, deadline - time.monotonic()))
        if lost := self._memory.shut():
            self._tell_dropped(lost, "the client was closed before Redis had acknowledged them")
        if not self._threads:
            self._release()

    def _passed(self, pumps: Sequence[Pump], deadline: float) -> bool:
        for pump in pumps:
            try:
                last = pump.source.last()
            except OutboxError:
                return False
            if not pump.wait_passed(last, deadline=deadline):
                return False
        return True

    def _tell_dropped(self, payloads: list[bytes], why: str) -> None:
        self._counters.add(dropped=len(payloads))
        ids = [decode(payload, now=_LATE, earliest=ANY_TIME).id for payload in payloads]
        self._drops.report(EventDroppedError(ids, why))


def _to_disk(memory: MemoryQueue, outbox: Outbox, next_signal: FlushSignal, reporter: ErrorReporter) -> Pump:
    def keep(payloads: list[bytes]) -> None:
        outbox.append(payloads)
        next_signal.ring(len(payloads))

    # At once: the sooner on disk, the sooner safe.
    return Pump(memory, keep, flush_signal=FlushSignal(flush_at=1, flush_interval_s=0), reporter=reporter)
