"""Delivery by threads: a call costs the player a place in a queue, and nothing else."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from worker.client.alarm import Alarm
from worker.client.complaints import Complaints
from worker.client.counters import Counters
from worker.client.gate import Checked
from worker.client.memory import Memory
from worker.client.options import Options
from worker.client.outbox import Outbox
from worker.client.pump import Pump
from worker.client.sender import Sender
from worker.codec import decode
from worker.errors import EventDroppedError, OutboxError

# Events of another process, or of an earlier run, lie in the outbox without anybody ringing.
_LOOK_EVERY_S: Final = 1.0
# For reading what has been checked before: no event is ahead of it.
_LATE: Final = datetime(9000, 1, 1, tzinfo=UTC)


class Background:
    """Memory → Redis by one thread; or with an outbox, memory → outbox → Redis by two.

    Two, because a Redis that hangs must not keep events from the disk.
    """

    def __init__(self, sender: Sender, outbox: Outbox | None, *, options: Options, counters: Counters) -> None:
        self._memory = Memory(options.max_queue)
        self._sender = sender
        self._outbox = outbox
        self._counters = counters
        self._drops = Complaints(options.on_error)
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        to_redis = Pump(
            self._memory if outbox is None else outbox,
            sender.send,
            alarm=Alarm(
                flush_at=options.flush_at,
                flush_interval_s=options.flush_interval_s,
                look_every_s=None if outbox is None else _LOOK_EVERY_S,
            ),
            complaints=Complaints(options.on_error),
        )
        self._pumps = [to_redis]
        if outbox is not None:
            self._pumps.insert(0, _to_disk(self._memory, outbox, to_redis.alarm, Complaints(options.on_error)))

    def put(self, events: Sequence[Checked]) -> None:
        if not self._threads:
            self.start()
        dropped = [event.id for event in events if not self._memory.put(event.payload)]
        self._pumps[0].alarm.ring(self._memory.count())
        if dropped:
            self._counters.add(dropped=len(dropped))
            self._drops.report(EventDroppedError(dropped, f"{self._memory.most:,} events wait already (max_queue)"))

    def start(self) -> None:
        """Safe to call at any time; a client with an outbox does so at once, for what an earlier run left there."""
        with self._starting:
            if not self._threads:
                threads = [threading.Thread(target=pump.run, name="zik", daemon=True) for pump in self._pumps]
                for thread in threads:
                    thread.start()
                self._threads = threads

    def flush(self, timeout_s: float) -> bool:
        return self._passed(self._pumps, time.monotonic() + timeout_s)

    def flush_outbox(self, timeout_s: float) -> bool:
        if self._outbox is None:
            raise OutboxError("this client has no outbox: give it one with outbox=PATH")
        return self._passed(self._pumps[:1], time.monotonic() + timeout_s)

    def close(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        self._passed(self._pumps, deadline)
        for pump in self._pumps:
            pump.stop()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._tell_lost()
        # A thread that is still in a system call would meet a closed connection or file.
        if not any(thread.is_alive() for thread in self._threads):
            self._sender.close()
            if self._outbox is not None:
                self._outbox.close()

    def _passed(self, pumps: Sequence[Pump], deadline: float) -> bool:
        for pump in pumps:
            try:
                last = pump.source.last()
            except OutboxError:
                return False
            if not pump.wait_passed(last, deadline=deadline):
                return False
        return True

    def _tell_lost(self) -> None:
        batch = self._memory.peek(self._memory.most)
        if batch is None:
            return
        self._memory.discard(batch)
        ids = [decode(payload, now=_LATE).id for payload in batch.payloads]
        self._counters.add(dropped=len(ids))
        self._drops.report(EventDroppedError(ids, "the client was closed before Redis had acknowledged them"))


def _to_disk(memory: Memory, outbox: Outbox, next_alarm: Alarm, complaints: Complaints) -> Pump:
    def keep(payloads: list[bytes]) -> None:
        outbox.append(payloads)
        next_alarm.ring(len(payloads))

    # At once: the sooner on disk, the sooner safe.
    return Pump(memory, keep, alarm=Alarm(flush_at=1, flush_interval_s=0), complaints=complaints)
