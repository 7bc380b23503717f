"""The worker and beat of one machine, started as any operator would start them."""

import fcntl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from worker.errors import ZikError
from worker.local.process import LocalProcess


@contextmanager
def claimed(folder: Path, *, by: str) -> Iterator[Path]:
    """Keep the folder to ourselves while the block runs. The kernel lets go of it however the process ends.

    Raises:
        ZikError: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ZikError(f"`{by}` is running already, in {folder}: stop it first") from None
        yield folder


_READY_WITHIN_S: Final = 30.0
_RESTART_AFTER_S: Final = 1.0


@contextmanager
def worker_and_beat(folder: Path, *, env: Mapping[str, str], concurrency: int) -> Iterator[list[LocalProcess]]:
    """Run both while the block does; stop beat first, then the worker, which finishes its batch."""
    celery = [sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker"]
    # A worker that starts before us must not be mistaken for ours.
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
            process.log.unlink(missing_ok=True)
            stack.callback(process.start().stop)
        _await_ready(worker)
        yield [worker, beat]


def keep_running(processes: list[LocalProcess], *, restarted: Callable[[LocalProcess], None]) -> None:
    """Start again whichever ends, for ever: a worker ends when Redis is full, and its next start empties it."""
    while True:
        time.sleep(_RESTART_AFTER_S)
        for process in processes:
            if not process.running:
                restarted(process)
                process.start()


def _await_ready(worker: LocalProcess) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while " ready." not in worker.last_words(lines=1000):
        if not worker.running or time.monotonic() > deadline:
            raise ZikError(f"the worker does not start; its log says:\n{worker.last_words()}")
        time.sleep(0.05)
