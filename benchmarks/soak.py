"""Everything at once for minutes: events, statistics, `zik serve` and its readers, and what each minute was like."""

import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.contenders import zik
from benchmarks.contenders.http_servers import zik_serving
from benchmarks.contenders.soak_load import Probe, publish, publish_at, readers
from benchmarks.machine import machine
from benchmarks.processes import ROOT, await_that
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, console
from benchmarks.servers import Servers, running_servers
from benchmarks.usage import Counters, counters, memory_mb
from worker.stream.consumer import EventStream

MINUTES: Final = 10.0
_SHARE: Final = 0.8
_MINUTE_S: Final = 60.0
_LOOK_EVERY_S: Final = 5.0
_PROBE_EVERY_S: Final = 0.01
_BURSTS: Final = 3
_BURST: Final = 100_000
_DRAINED_WITHIN_S: Final = 600.0


def measure(*, minutes: float, rate: int | None, setup: zik.Setup) -> Report:
    """Keep a rate, or four fifths of what a backlog is drained at while all else runs.

    Fails if the books do not balance at the end, or `zik verify` finds a difference.
    """
    with (
        running_servers(durable_valkey=True) as servers,
        zik.workers(servers, setup),
        zik_serving(servers, workers=1) as port,
        EventStream.opened(servers.redis_url) as stream,
        readers(servers, port) as answered,
    ):
        with servers.redis() as client:
            zik.wake(client, setup.slots)
        best = [_drained_per_s(servers, stream) for _ in range(_BURSTS if rate is None else 0)]
        kept = rate or int(_SHARE * statistics.median(best))
        console.print(f"  {kept:,} events/s for {minutes:g} minutes", highlight=False)
        taken = list(_minutes(servers, stream, kept, minutes))
        books = _settled(servers, stream)
        measured_on = machine(servers)
    lines = [
        Line("events published a second", Measured(tuple(each.published / _MINUTE_S for each in taken))),
        *([Line("a backlog drained, while all else runs", Measured(tuple(best)))] if best else []),
        *_lines(taken),
        Line("pages answered in a second", Measured((answered.count / answered.seconds,)), "/s", answered.times),
    ]
    facts = {"minutes": minutes, "rate": kept, "processes": setup.slots, "books": books}
    return Report("soak", f"Everything at once, {kept:,} events a second", measured_on, lines, facts)


# --- One minute ---------------------------------------------------------------------------------


@dataclass
class Minute:
    published: int = 0
    waited_ms: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    stale_days: list[int] = field(default_factory=list)
    memory_mb: dict[str, float] = field(default_factory=dict)
    spent: Counters = field(default_factory=Counters)


_FIGURES: Final[list[tuple[str, str, Callable[[Minute], float]]]] = [
    ("publish to row, p50", "ms", lambda each: _percentile(each.waited_ms, 0.5)),
    ("publish to row, p99", "ms", lambda each: _percentile(each.waited_ms, 0.99)),
    ("events waiting, at most", "", lambda each: max(each.waiting)),
    ("days waiting for a sweep, at most", "", lambda each: max(each.stale_days)),
    ("write-ahead log", "MB/min", lambda each: each.spent.wal_mb),
    ("autovacuum runs", "/min", lambda each: each.spent.autovacuums),
    ("dead tuples, at the end", "", lambda each: each.spent.dead_tuples),
]


def _minutes(servers: Servers, stream: EventStream, rate: int, minutes: float) -> Iterator[Minute]:
    context = multiprocessing.get_context("spawn")
    probes: Any = context.Queue()
    published: Any = context.Value("q", 0)
    publisher = context.Process(
        target=publish_at, args=(servers.redis_url, rate, minutes * _MINUTE_S, probes, published)
    )
    watch = _Watch(servers, probes)
    with watch.running():
        publisher.start()
        sent, before = 0, counters(servers)
        for number in range(max(1, round(minutes))):
            minute = Minute()
            until = time.monotonic() + _MINUTE_S
            while time.monotonic() < until:
                time.sleep(min(_LOOK_EVERY_S, max(0.0, until - time.monotonic())))
                minute.waiting.append(stream.books().waiting)
                minute.stale_days.append(_stale_days(servers))
            after = counters(servers)
            minute.published, sent = published.value - sent, published.value
            minute.waited_ms, minute.memory_mb = watch.taken(), memory_mb(servers)
            minute.spent, before = after.since(before), after
            console.print(f"  minute {number + 1}: {_said(minute)}", highlight=False)
            yield minute
        publisher.join()


def _said(minute: Minute) -> str:
    figures = [f"{name} {figure(minute):,.0f} {unit}".strip() for name, unit, figure in _FIGURES]
    return ", ".join([*figures, *(f"{name} {mb:.0f} MB" for name, mb in minute.memory_mb.items())])


def _lines(taken: list[Minute]) -> Iterator[Line]:
    for name, unit, figure in _FIGURES:
        yield Line(name, Measured(tuple(figure(each) for each in taken)), unit or "count", "a value for each minute")
    for name in taken[-1].memory_mb:
        sizes = tuple(each.memory_mb.get(name, 0.0) for each in taken)
        yield Line(f"memory, {name}", Measured(sizes), "MB", f"first {sizes[0]:.0f}, last {sizes[-1]:.0f}")


class _Watch:
    """How long each probe took from its XADD to a row that others see; up to a look too long, never too short."""

    def __init__(self, servers: Servers, probes: Any) -> None:
        self._servers = servers
        self._probes = probes
        self._waited_ms: list[float] = []
        self._stopped = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        yield
        self._stopped.set()
        thread.join()

    def taken(self) -> list[float]:
        """What was measured since the last call."""
        taken, self._waited_ms = self._waited_ms, []
        return taken

    def _look(self) -> None:
        unseen: dict[str, float] = {}
        with self._servers.postgres() as connection:
            while not self._stopped.wait(_PROBE_EVERY_S):
                while not self._probes.empty():
                    probe: Probe = self._probes.get()
                    unseen[probe.event_id] = probe.sent_at
                rows = connection.execute(
                    "SELECT id::text FROM play_history WHERE id = ANY(%s::uuid[])", [list(unseen)]
                ).fetchall()
                now = time.monotonic()
                self._waited_ms += [1_000 * (now - unseen.pop(event_id)) for (event_id,) in rows]


# --- Before and after ---------------------------------------------------------------------------


def _drained_per_s(servers: Servers, stream: EventStream) -> float:
    """Publish a burst and drain it; the clock starts when all of it waits, or was drained already."""
    before = stream.books()
    began = time.perf_counter()
    publish(servers.redis_url, _BURST)
    await_that(lambda: stream.books().recorded >= before.recorded + _BURST, within_s=_DRAINED_WITHIN_S)
    reached = _BURST / (time.perf_counter() - began)
    console.print(f"  a burst of {_BURST:,}, published and drained: {reached:,.0f}/s", highlight=False)
    return reached


def _settled(servers: Servers, stream: EventStream) -> dict[str, int]:
    """Wait for the rest, then let zik compute what is stale and check itself."""
    await_that(lambda: stream.books().waiting == 0, within_s=_DRAINED_WITHIN_S)
    books = stream.books()
    if not books.balanced or books.unaccounted or books.dead:
        raise AssertionError(f"the books do not balance: {books}")
    for command in ("aggregate", "verify"):
        env = {**os.environ, "DATABASE_URL": servers.postgres_uri, "REDIS_URL": servers.redis_url}
        run = [sys.executable, "-m", "worker", command]
        done = subprocess.run(run, env=env, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 -- our own words
        if done.returncode:
            raise AssertionError(f"zik {command} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2_000:]}")
    return {name: getattr(books, name) for name in ("received", "recorded", "duplicate", "dead", "waiting")}


def _stale_days(servers: Servers) -> int:
    with servers.postgres() as connection:
        row = connection.execute(
            "SELECT count(*) FROM (SELECT DISTINCT user_id, day FROM stale_days) AS days"
        ).fetchone()
    return int(row[0]) if row else 0


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
