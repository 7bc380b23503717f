"""Run the worker of one machine, one per folder."""

import errno
import fcntl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from worker.errors import OperatorError
from worker.local.process import LocalProcess
from worker.local.supervisor import Supervisor

_READY_TIMEOUT_S: Final = 30.0
_UNUSABLE_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def folder_of_up(home: Path) -> Path:
    """Where `zik up` keeps its Valkey, its token and its logs."""
    return home / ".zik" / "up"


@contextmanager
def exclusive_folder(folder: Path, *, command: str) -> Iterator[Path]:
    """Lock the folder for the block. The kernel releases the lock however the process ends.

    Args:
        folder: created if it does not exist.
        command: what the user ran, for the error text.

    Raises:
        OperatorError: another process holds the lock, or a file in the folder cannot be used, also later in the block.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as lock:
            _lock(lock, f"`{command}` is already running in {folder}: stop it first")
            yield folder
    except OSError as error:
        if not _is_about(error, folder):
            raise
        raise OperatorError(
            f"cannot use {error.filename or folder}: {error.strerror}. Repair that, or set ZIK_HOME to another folder"
        ) from None


def _lock(file: Any, refusal: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OperatorError(refusal) from None
    except OSError as error:
        error.filename = file.name
        raise


def _is_about(error: OSError, folder: Path) -> bool:
    if not isinstance(error.filename, str | Path):
        return error.errno in _UNUSABLE_DISK
    path = Path(error.filename)
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def start_worker(supervisor: Supervisor, folder: Path, *, env: Mapping[str, str], concurrency: int) -> None:
    """Start a worker with beat in it, in one process, and wait until it is ready. At the end it finishes its batch.

    Raises:
        OperatorError: the worker does not start. Quotes the end of its log.
    """
    options = ["--concurrency", str(concurrency), "--schedule", str(folder / "beat")]
    command = [sys.executable, "-W", "ignore", "-m", "worker.celery", *options]
    worker = LocalProcess("worker", command, log=folder / "worker.log", env=env)
    # The log of an earlier run would say "ready" too early.
    worker.log.unlink(missing_ok=True)
    supervisor.start(worker)
    _wait_until_ready(worker)


def _wait_until_ready(worker: LocalProcess) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while " ready." not in worker.log_tail(lines=1000):
        if not worker.running or time.monotonic() > deadline:
            raise OperatorError(f"the worker does not start; the end of its log:\n{worker.log_tail()}")
        time.sleep(0.05)
