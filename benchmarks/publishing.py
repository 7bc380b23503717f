"""Publishing with the SDK, which validates, beside a plain redis-py pipeline of ready-made JSON, which does not.

And what a call to `play()` costs the player, whose threads send meanwhile.
"""

import json
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, Final

import redis

from benchmarks import goals
from benchmarks.data import Shape, payloads
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate
from benchmarks.servers import Servers, running_servers
from worker.client import Client
from worker.stream.keys import FIELD, STREAM

BATCHES: Final = (100, 500, 1_000, 5_000)
# What the player does between two calls. It keeps the processor busy: one that sleeps takes 50 µs for any call at all.
PAUSES_S: Final = {"a busy player": 0.0002, "plays without pause": 0.0}
_CALLS: Final = 5_000


def measure(*, rounds: int, shape: Shape) -> Report:
    """For the SDK events are dicts, as a player has them; for the pipeline they are bytes already."""
    with running_servers() as servers:
        lines_of_json = payloads(shape)
        events = [json.loads(payload) for payload in lines_of_json]
        measurements = {f"plain pipeline of {size:,}": _plain(servers, lines_of_json, size) for size in BATCHES}
        measurements |= {f"zik's SDK, batches of {size:,}": _sdk(servers, events, size) for size in BATCHES}
        taken = alternate(measurements, rounds)
        calls = alternate(_calls(servers, events[:_CALLS]), rounds)
        measured_on = machine(servers)
    lines = [Line(name, measured) for name, measured in taken.items()]
    fastest = {kind: _best(taken, kind) for kind in ("plain", "zik")}
    ratio = taken[fastest["zik"]].against(taken[fastest["plain"]])
    ratios = [Line(goals.PUBLISHING.what, ratio, "ratio", "each at its best batch size", goals.PUBLISHING)]
    for size in BATCHES:
        same = taken[f"zik's SDK, batches of {size:,}"].against(taken[f"plain pipeline of {size:,}"])
        ratios.append(Line(f"the same, both with {size:,}", same, "ratio"))
    costs = [Line(f"{goals.PLAY.what}: {name}", cost, "µs", goal=goals.PLAY) for name, cost in calls.items()]
    return Report(
        "publishing", f"Publishing {shape.events:,} plays from one process", measured_on, [*lines, *ratios, *costs]
    )


def _best(taken: dict[str, Any], kind: str) -> str:
    return max((name for name in taken if name.startswith(kind)), key=lambda name: taken[name].median)


def _plain(servers: Servers, lines: list[bytes], size: int) -> Any:
    def run() -> float:
        with redis.Redis.from_url(servers.redis_url) as client:
            client.flushall()
            waiting = iter(lines)
            began = time.perf_counter()
            while chunk := list(islice(waiting, size)):
                pipeline = client.pipeline(transaction=False)
                for payload in chunk:
                    pipeline.xadd(STREAM, {FIELD: payload})
                pipeline.execute()
            return len(lines) / (time.perf_counter() - began)

    return run


def _sdk(servers: Servers, events: list[dict[str, Any]], size: int) -> Any:
    def run() -> float:
        with redis.Redis.from_url(servers.redis_url) as client:
            client.flushall()
        with Client(servers.redis_url, sync=True) as client:
            waiting = iter(events)
            began = time.perf_counter()
            while chunk := list(islice(waiting, size)):
                client.publish_many(chunk)
            return len(events) / (time.perf_counter() - began)

    return run


def _calls(servers: Servers, events: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        f"{name}, {place}": _call(servers, events, pause_s=pause_s, outbox=place == "with an outbox")
        for name, pause_s in PAUSES_S.items()
        for place in ("in memory", "with an outbox")
    }


def _call(servers: Servers, events: list[dict[str, Any]], *, pause_s: float, outbox: bool) -> Any:
    """The median call, in microseconds."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plays.outbox" if outbox else None
            with Client(servers.redis_url, outbox=path) as client:
                return statistics.median(_timed(client, event, pause_s) for event in events) * 1e6

    return run


def _timed(client: Client, event: dict[str, Any], pause_s: float) -> float:
    song = event["song"]
    began = time.perf_counter()
    client.play(
        user=event["user"],
        artist=song["artist"],
        title=song["title"],
        album=song["album"],
        duration_ms=song["duration_ms"],
        ms_played=event["ms_played"],
    )
    taken = time.perf_counter() - began
    while time.perf_counter() - began < pause_s:
        pass
    return taken
