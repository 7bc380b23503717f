"""The drain that a process of the pool keeps between tasks, with connections made after the fork."""

import mmap
import os
import threading
from functools import cache
from typing import Any

from billiard.process import current_process
from celery.signals import worker_shutting_down

from worker.celery.application import app
from worker.drain.drain import Drain
from worker.drain.opening import open_drain
from worker.outage import OutageRetry
from worker.stream.consumer_names import slot_consumer

# One byte that the pool's processes share with their parent: only the parent is signalled when the worker stops.
_closing = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def _close(**_: Any) -> None:
    _closing[0] = 1


def slot() -> str:
    """This process's place in the pool. After a crash its successor has the same, and finds the pending entries."""
    thread = threading.current_thread()
    if thread is not threading.main_thread():
        return thread.name
    return str(getattr(current_process(), "index", 0))


def drain_of(nodename: str) -> tuple[Drain, OutageRetry]:
    """The drain of this process; in a pool of threads, of this thread."""
    return _opened_once(os.getpid(), slot_consumer(nodename, slot()))


@cache
def _opened_once(pid: int, consumer: str) -> tuple[Drain, OutageRetry]:
    del pid  # A part of the key: a forked process must not use its parent's connections.
    return open_drain(app.settings, consumer=consumer, closing=lambda: _closing[0] == 1), OutageRetry()
