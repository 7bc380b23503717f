"""Measure what keeping the rollups up to date costs: a few new plays or durations against computing everything."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import Engine, text

from benchmarks import goals
from benchmarks.growth import preload
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate, console
from benchmarks.servers import Servers, running_servers
from worker.contract.codec import decode, encode
from worker.contract.events import Accepted
from worker.database.engine import open_engine, transaction
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import ListenRule
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import refresh

NEW: Final = 1_000
SONGS: Final = 10
_USERS: Final = 1_000
_RULE: Final = ListenRule()


def measure(*, rounds: int, plays: int) -> Report:
    with running_servers() as servers:
        lines = _cost_of_a_few(servers, plays, rounds)
        measured_on = machine(servers)
    return Report("refreshing", f"Statistics over {plays:,} plays", measured_on, lines)


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

    def durations() -> float:
        _learn_durations(engine)
        return _timed_refresh(engine)

    # Once in advance, so that no round starts with empty rollups.
    console.print(f"  all of {plays:,} plays computed in {everything():.1f} s", highlight=False)
    measured = alternate({"all": everything, "a few": a_few, "durations": durations}, rounds)
    engine.dispose()
    return [
        Line(f"zik, computing everything, {plays:,} plays", measured["all"], "s"),
        Line(f"zik, refreshing after {NEW:,} new plays", measured["a few"], "s"),
        Line(f"zik, refreshing after the durations of {SONGS} songs became known", measured["durations"], "s"),
        Line(goals.REFRESH.what, measured["a few"].against(measured["all"]), "ratio", goal=goals.REFRESH),
    ]


def _timed_refresh(engine: Engine) -> float:
    began = time.perf_counter()
    refresh(engine, _RULE)
    return time.perf_counter() - began


def _learn_durations(engine: Engine) -> None:
    """Set durations of songs of middling popularity: some thousand plays of many users and years."""
    longer = text("UPDATE songs SET duration_ms = coalesce(duration_ms, 100000) + 1000 WHERE title = ANY(:titles)")
    with transaction(engine) as session:
        session.execute(longer, {"titles": [f"Stored {5_000 + number}" for number in range(SONGS)]})


def _record_a_few(engine: Engine) -> None:
    """Record one play of each stored user, now, as while people listen."""
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
