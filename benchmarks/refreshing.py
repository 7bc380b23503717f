"""What statistics cost: refreshing after a few plays against computing all, and recording beside running statistics."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import Engine

from benchmarks import goals
from benchmarks.contenders import zik
from benchmarks.contenders.contender import Workload
from benchmarks.data import Shape
from benchmarks.growth import preload
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate, console
from benchmarks.servers import Servers, running_servers
from worker.codec import decode, encode
from worker.database import open_engine, transaction
from worker.recorders.batch import Accepted, Known, record_batch
from worker.statistics.listen_rule import ListenRule
from worker.statistics.refresh import refresh
from worker.statistics.stale import mark_all

NEW: Final = 1_000
_USERS: Final = 1_000
_RULE: Final = ListenRule()
_LOOK_EVERY_S: Final = 0.25


def measure(*, rounds: int, plays: int, shape: Shape, setup: zik.Setup) -> Report:
    """The history first, then a release of `shape.events` plays with and without beat's calls for statistics."""
    with running_servers() as servers:
        lines = _cost_of_a_few(servers, plays, rounds)
        lines += _beside_recording(servers, shape, setup, rounds)
        told = machine(servers)
    return Report("refreshing", f"Statistics over {plays:,} plays, and beside {shape.events:,} waiting", told, lines)


def _cost_of_a_few(servers: Servers, plays: int, rounds: int) -> list[Line]:
    servers.clear()
    preload(servers, plays, users=_USERS)
    engine = open_engine(servers.database_url)

    def everything() -> float:
        with transaction(engine) as session:
            mark_all(session.connection())
        return _timed_refresh(engine)

    def a_few() -> float:
        _record_a_few(engine)
        return _timed_refresh(engine)

    # Once before, so that neither begins with empty rollups.
    console.print(f"  all of {plays:,} plays computed in {everything():.1f} s", highlight=False)
    measured = alternate({"all": everything, "a few": a_few}, rounds)
    engine.dispose()
    return [
        Line(f"zik, computing everything, {plays:,} plays", measured["all"], "s"),
        Line(f"zik, refreshing after {NEW:,} new plays", measured["a few"], "s"),
        Line(goals.REFRESH.what, measured["a few"].against(measured["all"]), "ratio", goal=goals.REFRESH),
    ]


def _timed_refresh(engine: Engine) -> float:
    began = time.perf_counter()
    refresh(engine, _RULE)
    return time.perf_counter() - began


def _record_a_few(engine: Engine) -> None:
    """One play of each of the stored users, now, as it is while people listen."""
    now = datetime.now(UTC)
    batch = []
    for number in range(NEW):
        event = {
            "id": str(uuid4()),
            "type": "play",
            "time": (now - timedelta(seconds=number)).isoformat(),
            "user": f"stored-{1 + number % _USERS}",
            "song": {"title": f"New {number % 100}", "artist": "Somebody"},
        }
        payload = encode(event)
        batch.append(Accepted(f"{number}-0", payload, decode(payload, now=now)))
    with transaction(engine) as session:
        record_batch(session.connection(), batch, known=Known())


def _beside_recording(servers: Servers, shape: Shape, setup: zik.Setup, rounds: int) -> list[Line]:
    workload = Workload.of(servers, shape)
    behind_s: list[float] = []

    def alone() -> float:
        return zik.record_all(workload, setup)

    def together() -> float:
        with _watched(servers) as seen:
            throughput = zik.record_all(workload, replace(setup, statistics=True))
        behind_s.append(max(seen, default=0.0))
        return throughput

    measured = alternate({"zik alone": alone, "zik with statistics": together}, rounds)
    lines = [Line(name, taken) for name, taken in measured.items()]
    ratio = measured["zik with statistics"].against(measured["zik alone"])
    lines.append(Line(goals.BESIDE.what, ratio, "ratio", goal=goals.BESIDE))
    lines.append(Line(goals.BEHIND.what, Measured(tuple(behind_s)), "s", goal=goals.BEHIND))
    return lines


@contextmanager
def _watched(servers: Servers) -> Iterator[list[float]]:
    """The age of the oldest mark, looked at all the while."""
    seen: list[float] = []
    stopped = threading.Event()

    def look() -> None:
        with servers.postgres() as connection:
            while not stopped.wait(_LOOK_EVERY_S):
                row = connection.execute(
                    "SELECT extract(epoch FROM clock_timestamp() - min(created_at)) FROM stale_days"
                ).fetchone()
                seen.append(float(row[0]) if row and row[0] is not None else 0.0)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        stopped.set()
        watcher.join()
