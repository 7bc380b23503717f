"""Outboxes for tests: what a restart would find in one, and what others do to its files."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pydantic_core import from_json

from tests.support.clients import publish_value
from tests.support.processes import ROOT
from worker.client.outbox import Outbox
from worker.testing import MemoryClient

FILES: Final = ("", "-wal", "-shm")
PAGE_BYTES: Final = 4096


def payloads(values: range) -> list[bytes]:
    """An event for each value."""
    client = MemoryClient()
    for value in values:
        publish_value(client, value)
    return client.transport.payloads


def values_of(payloads: Iterable[bytes | str]) -> list[Any]:
    return [from_json(payload)["value"] for payload in payloads]


def restarted(path: Path) -> list[Any]:
    """The values that the next run finds: read from a copy, which nothing but the files themselves reaches."""
    with TemporaryDirectory() as folder:
        copied = Path(folder) / path.name
        subprocess.run(["cp", path, folder], check=True)
        subprocess.run(["cp", f"{path}-wal", folder], check=False, capture_output=True)
        with closing(sqlite3.connect(copied)) as copy:
            rows = copy.execute("SELECT payload FROM events ORDER BY number").fetchall()
    return values_of(payload for (payload,) in rows)


def filled(path: Path, count: int) -> None:
    """An outbox of an earlier run, whose events are in the file itself and not in its log."""
    outbox = Outbox(path, max_events=count)
    outbox.append(payloads(range(count)))
    outbox.close()


def delete(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink()


def damage(path: Path, *, page: int) -> None:
    """Overwrite a page, as a failing disk does."""
    python(f"os.pwrite(os.open(sys.argv[1], os.O_RDWR), b'x' * {PAGE_BYTES}, {page * PAGE_BYTES})", path)


def python(script: str, path: Path) -> None:
    """Run it in another process, because closing the file here would release the locks of this one."""
    command = [sys.executable, "-c", f"import os, pathlib, sys; {script}", str(path)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
