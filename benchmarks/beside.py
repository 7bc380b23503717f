"""Measure what statistics cost recording under full load, and how far behind they are."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from sqlalchemy import Connection, text

from benchmarks import goals
from benchmarks.contenders import zik
from benchmarks.contenders.contender import Workload
from benchmarks.data import Shape
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate
from benchmarks.servers import Servers, running_servers
from worker.database.engine import opened_engine, snapshot
from worker.statistics import GlobalListening, Listening, ListenRule, Period, UserListening, span, totals

# Rarely enough that looking does not affect the measurement. Everyone's totals as often as statistics may be behind.
_LOOK_EVERY_S: Final = 5.0
_LOOKS_PER_LOOK_AT_EVERYONE: Final = 3
# A user of the simulator with a thousandth of the plays: neither the busiest one nor idle.
_ASKED: Final = "listener-100"
_RULE: Final = ListenRule()


def measure(*, rounds: int, shape: Shape, setup: zik.Setup) -> Report:
    """Record plays with and without beat's tasks for statistics."""
    with running_servers() as servers:
        lines = _lines(Workload.of(servers, shape), setup, rounds)
        measured_on = machine(servers)
    return Report("beside", f"Recording {shape.events:,} plays beside statistics", measured_on, lines)


def _lines(workload: Workload, setup: zik.Setup, rounds: int) -> list[Line]:
    watches: list[Watch] = []

    def alone() -> float:
        return zik.record_all(workload, setup)

    def together() -> float:
        with _watched(workload.servers) as watch:
            throughput = zik.record_all(workload, replace(setup, statistics=True))
        watches.append(watch)
        return throughput

    measured = alternate({"zik alone": alone, "zik with statistics": together}, rounds)
    lines = [Line(name, taken) for name, taken in measured.items()]
    ratio = measured["zik with statistics"].against(measured["zik alone"])
    lines.append(Line(goals.BESIDE.what, ratio, "ratio", goal=goals.BESIDE))
    behind_s = Measured(tuple(max(watch.user_s) for watch in watches))
    lines.append(Line(goals.BEHIND.what, behind_s, "s", "one user's answers", goal=goals.BEHIND))
    everyone_s = Measured(tuple(max(watch.everyone_s) for watch in watches))
    lines.append(Line(goals.BEHIND.what, everyone_s, "s", "everyone's totals", goal=goals.BEHIND))
    rollups_s = Measured(tuple(max(watch.rollups_s) for watch in watches))
    lines.append(Line("how far rollups are behind then", rollups_s, "s", "charts"))
    asked_ms = Measured(tuple(statistics.median(watch.asked_ms) for watch in watches))
    lines.append(Line("one user's totals of all time, asked meanwhile", asked_ms, "ms"))
    everyone_ms = Measured(tuple(max(watch.everyone_ms) for watch in watches))
    lines.append(Line("everyone's totals of all time, asked meanwhile, slowest", everyone_ms, "ms"))
    return lines


@dataclass
class Watch:
    """Measurements while the workers recorded, one number per look."""

    user_s: list[float] = field(default_factory=list)
    everyone_s: list[float] = field(default_factory=list)
    rollups_s: list[float] = field(default_factory=list)
    asked_ms: list[float] = field(default_factory=list)
    everyone_ms: list[float] = field(default_factory=list)


@contextmanager
def _watched(servers: Servers) -> Iterator[Watch]:
    """Ask for the totals of one user and of everyone, and count what they miss, meanwhile and at the end."""
    watch = Watch()
    stopped = threading.Event()

    def look() -> None:
        with opened_engine(servers.database_url) as engine:
            last, looks = False, 0
            while not last:
                last, looks = stopped.wait(_LOOK_EVERY_S), looks + 1
                with snapshot(engine) as session:
                    _look(session.connection(), watch)
                if last or looks % _LOOKS_PER_LOOK_AT_EVERYONE == 0:
                    with snapshot(engine) as session:
                        _look_at_everyone(session.connection(), watch)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield watch
    finally:
        stopped.set()
        watcher.join()


def _look(connection: Connection, watch: Watch) -> None:
    user_id = connection.scalar(text("SELECT id FROM app_users WHERE username = :name"), {"name": _ASKED})
    watch.rollups_s.append(_oldest_mark_s(connection))
    if user_id is None:
        return
    plays, asked_ms = _totals(UserListening(connection, user_id, _RULE))
    watch.asked_ms.append(asked_ms)
    stored = connection.scalar(text("SELECT count(*) FROM play_history WHERE user_id = :id"), {"id": user_id})
    watch.user_s.append(0.0 if plays == stored else _oldest_mark_s(connection) or _LOOK_EVERY_S)


def _look_at_everyone(connection: Connection, watch: Watch) -> None:
    plays, asked_ms = _totals(GlobalListening(connection, _RULE))
    watch.everyone_ms.append(asked_ms)
    stored = connection.scalar(text("SELECT count(*) FROM play_history"))
    watch.everyone_s.append(0.0 if plays == stored else _oldest_mark_s(connection) or _LOOK_EVERY_S)


def _totals(listening: Listening) -> tuple[int, float]:
    """The number of plays in the answer, and its time in milliseconds."""
    began = time.perf_counter()
    plays = totals(listening, span(Period.ALL, date.min)).plays
    return plays, 1000 * (time.perf_counter() - began)


def _oldest_mark_s(connection: Connection) -> float:
    oldest_s = "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM stale_days"
    return float(connection.scalar(text(oldest_s)) or 0)
