"""Time an upgrade from the last release under load: millions of plays, old and new workers together, nothing lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from benchmarks.data import Shape, payloads
from benchmarks.growth import preload
from benchmarks.machine import machine
from benchmarks.processes import ROOT, Program, await_that, running
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, console
from benchmarks.servers import Servers, running_servers
from worker.database.engine import opened_engine, transaction
from worker.database.schema import bring_up_schema
from worker.statistics import ListenRule
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream

EVENTS: Final = 200_000
_AT_ONCE: Final = 20
_EVERY_S: Final = 0.1
_EACH_S: Final = 15.0
_PATIENCE_S: Final = 900.0


def measure(*, old: Path, plays: int) -> Report:
    """Fill the schema of the release in the checkout `old`, and upgrade it while players publish. One round."""
    with running_servers() as servers, opened_engine(servers.database_url) as engine, ExitStack() as stack:
        _as_old_release(servers, old)
        preload(servers, plays, users=1_000, songs=20_000)
        stream = EventStream.at(servers.redis_url)
        stack.callback(stream.close)
        stalls = _Stalls(stream)
        with _publishing(stream) as published, stalls.watching():
            upgraded = _upgrade(servers, engine, stack, old)
        await_that(lambda: stream.books().waiting == 0, within_s=_PATIENCE_S, every_s=0.5)
        swept = _timed(partial(refresh, engine, ListenRule()))
        _check(engine, stream, published=len(published), stored=plays)
        measured_on = machine(servers)
    lines = [
        Line(f"the migrations, {plays:,} plays, both releases recording", Measured((upgraded,)), "s"),
        Line("the longest time in which nothing was recorded", Measured((stalls.longest_s,)), "s"),
        Line("the first sweep after it, which computes everything", Measured((swept,)), "s"),
    ]
    return Report("upgrading", f"An upgrade under load, {len(published):,} events meanwhile", measured_on, lines)


def _as_old_release(servers: Servers, old: Path) -> None:
    with servers.postgres() as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    environment = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "PYTHONPATH": str(old)}
    subprocess.run(  # noqa: S603 -- our own words
        [
            "/usr/bin/env",
            *(f"{name}={value}" for name, value in environment.items()),
            sys.executable,
            "-m",
            "worker.db_init",
        ],
        cwd=old,
        check=True,
    )


@contextmanager
def _publishing(stream: EventStream) -> Iterator[list[bytes]]:
    """Two hundred plays a second meanwhile. Afterwards the list has what was published."""
    waiting, published, enough = payloads(Shape(EVENTS)), list[bytes](), threading.Event()

    def publish_on() -> None:
        while not enough.wait(_EVERY_S) and len(published) < len(waiting):
            some = waiting[len(published) : len(published) + _AT_ONCE]
            stream.append(some)
            published.extend(some)

    thread = threading.Thread(target=publish_on)
    thread.start()
    try:
        yield published
    finally:
        enough.set()
        thread.join()


def _upgrade(servers: Servers, engine: Engine, stack: ExitStack, old: Path) -> float:
    """Seconds of the migrations. The new worker stays until the stack is closed."""
    with _worker(servers, old, "old"):
        time.sleep(_EACH_S)
        upgraded = _timed(partial(bring_up_schema, engine))
        console.print(f"  migrated in {upgraded:.1f} s", highlight=False)
        stack.enter_context(_worker(servers, ROOT, "new"))
        time.sleep(_EACH_S)
    time.sleep(_EACH_S)
    return upgraded


@contextmanager
def _worker(servers: Servers, tree: Path, name: str) -> Iterator[None]:
    environment = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "PYTHONPATH": str(tree)}
    command = ["celery", "-A", "worker", "worker", "-c", "1", "-l", "INFO", "-n", f"{name}@%h"]
    folder = servers.folder / name
    folder.mkdir()
    with running(Program([command], " ready.", environment, tree), folder=folder):
        yield


class _Stalls:
    """How long nothing is recorded, as the books tell."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self.longest_s = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        enough = threading.Event()
        thread = threading.Thread(target=self._watch, args=(enough,))
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def _watch(self, enough: threading.Event) -> None:
        recorded, since = 0, time.monotonic()
        while not enough.wait(_EVERY_S):
            now, latest = time.monotonic(), self._stream.books().recorded
            if latest != recorded:
                recorded, since = latest, now
            self.longest_s = max(self.longest_s, now - since)


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _check(engine: Engine, stream: EventStream, *, published: int, stored: int) -> None:
    """Whatever was published or stored before is there once, and counts once."""
    books = stream.books()
    with transaction(engine) as session:
        found, counted, dead = (
            int(session.connection().exec_driver_sql(sql).scalar_one())
            for sql in (
                "SELECT count(*) FROM play_history",
                "SELECT sum(plays) FROM listening_hours",
                "SELECT count(*) FROM dead_letters",
            )
        )
    facts = {"books": books, "published": published, "found": found, "counted": counted, "dead": dead}
    assert books.recorded + books.duplicate == books.received == published, facts  # noqa: S101 -- the measurement's own
    assert (found, dead) == (stored + books.recorded, 0), facts  # noqa: S101 -- as above
    console.print(f"  nothing was lost: {found:,} plays, of which {counted:,} count", highlight=False)
