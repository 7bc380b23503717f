"""Real processes of zik for tests, and the helpers that such tests share."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import redis
from sqlalchemy import Engine, text

from worker.database.engine import snapshot, transaction
from worker.stream.consumer_names import slot_consumer

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0
STOP_S = 30.0


class Process:
    """A process of zik in a process group of its own. Its output goes to a file, `log` reads it."""

    def __init__(self, arguments: list[str], *, folder: Path, environment: dict[str, str]) -> None:
        self._path = folder / f"{time.monotonic_ns()}.log"
        with self._path.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._path.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_for(self, words: str, *, within_s: float = START_S) -> None:
        eventually(lambda: words in self.log or not self.alive, within_s=within_s, told=lambda: self.log)
        assert words in self.log, f"ended without {words!r}:\n{self.log}"

    def wait(self, *, within_s: float = STOP_S) -> int:
        """The exit code."""
        return self._popen.wait(within_s)

    def stop(self) -> None:
        """Stop it as a service manager does, and assert a clean exit."""
        self._popen.send_signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"exit code {code}:\n{self.log}"

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._popen.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process and all its children at once, as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(STOP_S)


@contextmanager
def running(arguments: list[str], *, folder: Path, **environment: str) -> Iterator[Process]:
    """A process that is killed at the end in any case."""
    process = Process(arguments, folder=folder, environment=environment)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def running_worker(
    *, redis_url: str, database_url: str, folder: Path, slots: int = 1, ready: bool = True, **environment: str
) -> Iterator[Process]:
    """`celery -A worker worker`, waited for until it is ready."""
    arguments = ["celery", "-A", "worker", "worker", "-c", str(slots), "-l", "INFO"]
    with running(arguments, folder=folder, REDIS_URL=redis_url, DATABASE_URL=database_url, **environment) as process:
        if ready:
            process.wait_for(" ready.")
        yield process


@contextmanager
def full(valkey: "redis.Redis", *, maxmemory: int | None = None) -> Iterator[None]:
    """A Redis without memory, which refuses every command that may need some."""
    limit = maxmemory or int(valkey.info()["used_memory"] * 0.9)
    valkey.config_set("maxmemory-policy", "noeviction")
    valkey.config_set("maxmemory", limit)
    try:
        yield
    finally:
        valkey.config_set("maxmemory", 0)


def eventually(
    condition: Callable[[], bool], *, within_s: float, every_s: float = 0.02, told: Callable[[], object] = str
) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {told()}"
        time.sleep(every_s)


def named_by_another_process() -> str:
    """The consumer of a worker called celery@here, in a process that has ended."""
    code = "from worker.stream.consumer_names import slot_consumer; print(slot_consumer('celery@here', '0'))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _name_and_wait(connection: Connection) -> None:
    connection.send(slot_consumer("celery@here", "0"))
    connection.recv()


@contextmanager
def waiting_process(method: Literal["fork", "spawn"]) -> Iterator[tuple[str, Callable[[], None]]]:
    """The consumer of another worker called celery@here, which lives, and how to end it."""
    context = get_context("fork") if method == "fork" else get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_name_and_wait, args=[theirs])
    process.start()

    def end() -> None:
        process.kill()
        process.join()

    try:
        yield ours.recv(), end
    finally:
        end()


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def count(engine: Engine, table: str, where: str = "true") -> int:
    with snapshot(engine) as session:
        return int(session.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}")) or 0)


def litter(engine: Engine, letters: int, payload: bytes) -> None:
    """Insert this many dead letters, numbered from 1 in an empty table, without a drain."""
    with transaction(engine) as session:
        session.execute(
            text(
                """
                INSERT INTO dead_letters (entry_id, reason, detail, payload)
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :letters)
                SELECT i || '-0', 'out_of_range', 'time', :payload FROM n
                """
            ),
            {"letters": letters, "payload": payload},
        )
