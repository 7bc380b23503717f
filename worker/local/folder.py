import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.errors import ZikError


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
