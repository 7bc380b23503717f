"""The drains that a process of the pool keeps between tasks, with connections made after the fork."""

import heapq
import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from typing import Any

from billiard.process import current_process
from celery.signals import worker_process_shutdown, worker_shutdown, worker_shutting_down

from worker.celery.application import app
from worker.drain.drain import Drain
from worker.drain.opening import close_drain, open_drain
from worker.outage import OutageRetry
from worker.stream.consumer_names import slot_consumer

# One byte that the pool's processes share with their parent: only the parent is signalled when the worker stops.
_closing = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def _close(**_: Any) -> None:
    _closing[0] = 1


class Slots:
    """The drains of one process: one in a process of a pool of processes, in other pools as many as tasks run at once.

    A task has a drain for itself while it runs, whichever thread or greenlet it runs in: those may live for one task.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._drains: list[tuple[Drain, OutageRetry]] = []
        self._free: list[int] = []

    @contextmanager
    def taken(self, nodename: str) -> Iterator[tuple[Drain, OutageRetry]]:
        number = self._take(nodename)
        try:
            yield self._drains[number]
        finally:
            with self._lock:
                heapq.heappush(self._free, number)

    def _take(self, nodename: str) -> int:
        with self._lock:
            if self._free:
                return heapq.heappop(self._free)
            number = len(self._drains)
            consumer = slot_consumer(nodename, str(getattr(current_process(), "index", 0) + number))
            drain = open_drain(app.settings, consumer=consumer, closing=lambda: _closing[0] == 1)
            self._drains.append((drain, OutageRetry()))
            return number

    def close(self) -> None:
        for drain, _ in self._drains:
            close_drain(drain)


@cache
def _slots(pid: int) -> Slots:
    del pid  # A part of the key: a forked process must not use its parent's connections.
    return Slots()


def taken_drain(nodename: str) -> AbstractContextManager[tuple[Drain, OutageRetry]]:
    """Take a drain of this process for as long as the block lasts."""
    return _slots(os.getpid()).taken(nodename)


@worker_process_shutdown.connect
@worker_shutdown.connect
def _retire(**_: Any) -> None:
    _slots(os.getpid()).close()
