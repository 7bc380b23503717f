"""From XADD to a row that another connection sees, at a steady rate, with a worker that has nothing else to do."""

import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from benchmarks import goals
from benchmarks.contenders import zik
from benchmarks.data import Shape, payloads
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, console
from benchmarks.servers import Servers, running_servers
from worker.stream.keys import FIELD, STREAM

RATES: Final = (100, 1_000, 10_000)
_LOOK_EVERY_S: Final = 0.001
# What the processes need to come into step is not what an idle worker's latency is.
_WARM_UP_S: Final = 1.0
# Two transactions at once fill different pages; none of them is longer than a batch.
_PAGES_BACK: Final = 32


@dataclass(frozen=True)
class Latency:
    p50_ms: float
    p99_ms: float
    reached_per_s: float


def measure(*, rounds: int, seconds: float, setup: zik.Setup, rates: Iterable[int] = RATES) -> Report:
    lines: list[Line] = []
    with running_servers() as servers:
        taken: dict[int, list[Latency]] = {rate: [] for rate in rates}
        for number in range(rounds):
            for rate, latencies in taken.items():
                latencies.append(one_round(servers, setup, rate, seconds))
                console.print(f"  round {number + 1}/{rounds}  {rate:,}/s: {latencies[-1]}", highlight=False)
        for rate, latencies in taken.items():
            asked = (goals.P50, goals.P99) if rate == 1_000 else (None, None)  # noqa: PLR2004 -- the design's rate
            p50 = Measured(tuple(latency.p50_ms for latency in latencies))
            p99 = Measured(tuple(latency.p99_ms for latency in latencies))
            reached = f"{statistics.median(latency.reached_per_s for latency in latencies):,.0f}/s published"
            lines.append(Line(f"zik, {rate:,} events/s, p50", p50, "ms", reached, asked[0]))
            lines.append(Line(f"zik, {rate:,} events/s, p99", p99, "ms", reached, asked[1]))
        measured_on = machine(servers)
    facts = {"seconds": seconds, "look_every_ms": _LOOK_EVERY_S * 1000, "processes": setup.slots}
    return Report("latency", "XADD to visible row", measured_on, lines, facts)


def one_round(servers: Servers, setup: zik.Setup, rate: int, seconds: float) -> Latency:
    """Publish at the rate, and look at the table all the while.

    The publisher notes when it sent each XADD. Another connection asks every millisecond for what is newly visible; a
    play's latency ends with the answer that first held it, so it is up to a look too long and never too short.
    Publisher and looker are different processes, so that neither waits for the other.
    """
    servers.clear()
    payloads(_shape(rate, seconds))  # Made before the clock runs.
    with servers.redis() as client, zik.workers(servers, setup):
        zik.wake(client, setup.slots)
        warmed_up = servers.plays()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            publishing = pool.apply_async(publish, (servers.redis_url, rate, seconds))
            seen = look(servers, publishing.ready, wanted=warmed_up + int(rate * seconds))
            sent: dict[str, float] = publishing.get()
    missing = sent.keys() - seen.keys()
    if missing:
        raise AssertionError(f"{len(missing)} events never became visible")
    began = min(sent.values()) + _WARM_UP_S
    waited_ms = sorted((seen[event_id] - at) * 1000 for event_id, at in sent.items() if at >= began)
    duration_s = max(sent.values()) - min(sent.values())
    return Latency(_percentile(waited_ms, 0.5), _percentile(waited_ms, 0.99), len(sent) / duration_s)


def publish(url: str, rate: int, seconds: float) -> dict[str, float]:
    """Publish at a steady rate, in lots of a millisecond's events. Returns when each event was sent, by its id."""
    import redis  # noqa: PLC0415 -- in the process of its own

    lot = max(1, rate // 1_000)
    events = [json.loads(payload) for payload in payloads(_shape(rate, seconds))]
    sent: dict[str, float] = {}
    with redis.Redis.from_url(url) as client:
        began = time.monotonic()
        for start in range(0, len(events), lot):
            # A publisher that is late does not hurry: only what it really sent counts, when it was sent.
            time.sleep(max(0.0, began + start / rate - time.monotonic()))
            pipeline = client.pipeline(transaction=False)
            now = datetime.now(UTC)
            for number, event in enumerate(events[start : start + lot]):
                # One listener may start one song only once an instant.
                at = now + timedelta(microseconds=number)
                pipeline.xadd(STREAM, {FIELD: json.dumps({**event, "time": at.isoformat()})})
            sent_at = time.monotonic()
            pipeline.execute()
            sent |= dict.fromkeys((event["id"] for event in events[start : start + lot]), sent_at)
    return sent


def look(servers: Servers, over: Callable[[], bool], *, wanted: int) -> dict[str, float]:
    """When each play was first seen, by its id. Ends when all were, or ten seconds after the publisher did.

    Each look asks only for rows of transactions that the look before could not yet see, near the end of the file, so
    that it costs next to nothing. What it should miss all the same, the last query finds, and counts as very late.
    """
    seen: dict[str, float] = {}
    query = """
        SELECT id::text, (ctid::text::point)[0]::bigint,
               (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
          FROM play_history WHERE ctid >= %s::tid AND xmin::text::bigint >= %s
    """
    page, oldest_unseen, give_up = 0, 0, float("inf")
    with servers.postgres() as connection:
        while len(seen) < wanted and time.monotonic() < give_up:
            start = f"({max(0, page - _PAGES_BACK)},0)"
            rows = connection.execute(query, [start, oldest_unseen]).fetchall()
            now = time.monotonic()
            for event_id, its_page, oldest_running in rows:
                seen.setdefault(event_id, now)
                page, oldest_unseen = max(page, its_page), oldest_running
            if over() and give_up == float("inf"):
                give_up = now + 10
            time.sleep(_LOOK_EVERY_S)
        late = time.monotonic()
        for (event_id,) in connection.execute("SELECT id::text FROM play_history").fetchall():
            seen.setdefault(event_id, late)
    return seen


def _shape(rate: int, seconds: float) -> Shape:
    return Shape(events=int(rate * seconds))


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")
