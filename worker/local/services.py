"""Run the worker and beat of one machine, with the commands that an operator would use, one pair per folder."""

import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from worker.errors import OperatorError
from worker.local.process import LocalProcess

_READY_TIMEOUT_S: Final = 30.0
_RESTART_DELAY_S: Final = 1.0


@contextmanager
def exclusive_folder(folder: Path, *, command: str) -> Iterator[Path]:
    """Lock the folder for the block. The kernel releases the lock however the process ends.

    Args:
        folder: created if it does not exist.
        command: what the user ran, for the error text.

    Raises:
        OperatorError: another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OperatorError(f"`{command}` is already running in {folder}: stop it first") from None
        yield folder


@contextmanager
def worker_and_beat(folder: Path, *, env: Mapping[str, str], concurrency: int) -> Iterator[list[LocalProcess]]:
    """Run both for the block. At its end beat stops first, then the worker, which finishes its batch.

    Raises:
        OperatorError: the worker does not start. Quotes the end of its log.
    """
    celery = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker"]
    worker = LocalProcess(
        "worker",
        [*celery, "worker", "--concurrency", str(concurrency), "--loglevel", "info"],
        log=folder / "worker.log",
        env=env,
    )
    beat = LocalProcess(
        "beat",
        [*celery, "beat", "--loglevel", "info", "--schedule", str(folder / "beat"), "--pidfile", ""],
        log=folder / "beat.log",
        env=env,
    )
    with ExitStack() as stack:
        for process in (worker, beat):
            # The log of an earlier run would say "ready" too early.
            process.log.unlink(missing_ok=True)
            stack.callback(process.start().stop)
        _wait_until_ready(worker)
        yield [worker, beat]


def keep_running(processes: list[LocalProcess], *, on_restart: Callable[[LocalProcess], None]) -> None:
    """Restart every process that ends, forever. A worker ends when Redis is full, and its next start drains it."""
    while True:
        time.sleep(_RESTART_DELAY_S)
        for process in processes:
            if not process.running:
                on_restart(process)
                process.start()


def _wait_until_ready(worker: LocalProcess) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while " ready." not in worker.log_tail(lines=1000):
        if not worker.running or time.monotonic() > deadline:
            raise OperatorError(f"the worker does not start; the end of its log:\n{worker.log_tail()}")
        time.sleep(0.05)
