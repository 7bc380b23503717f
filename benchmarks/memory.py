"""What a waiting event costs Redis, and whether a worker grows while it records millions."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psutil

from benchmarks import goals
from benchmarks.contenders import zik
from benchmarks.data import Shape, payloads
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, console
from benchmarks.servers import Servers, running_servers
from worker.client import Client
from worker.stream.keys import FIELD, STREAM

_WAITING: Final = 200_000
_LOT: Final = 1_000
# So much may wait: enough that no process ever idles, little enough that the server's memory stays small.
_AHEAD: Final = 50_000
_LOOKS: Final = 20
_SONGS: Final = 1_000_000
_USERS: Final = 100_000
_MB: Final = 1_000_000
_SETTLED: Final = 0.5


def measure(*, rounds: int, events: int, setup: zik.Setup) -> Report:
    with running_servers() as servers:
        waiting = Measured(tuple(waiting_event(servers, _LOT) for _ in range(rounds)))
        one_by_one = Measured((waiting_event(servers, 1),))
        lines = [
            Line(goals.WAITING.what, waiting, "B", "published in pipelines", goals.WAITING),
            Line("the same, published one by one", one_by_one, "B"),
            *worker(servers, events, setup),
        ]
        measured_on = machine(servers)
    return Report("memory", "Memory", measured_on, lines, {"waiting": _WAITING, "recorded": events})


def waiting_event(servers: Servers, lot: int) -> float:
    """Bytes per entry of the stream beyond its JSON, by the server's own used memory."""
    lines = payloads(Shape(events=_WAITING))[: _WAITING if lot > 1 else _WAITING // 10]
    with servers.redis() as client:
        client.flushall()
        before = client.info("memory")["used_memory"]
        for start in range(0, len(lines), lot):
            pipeline = client.pipeline(transaction=False)
            for payload in lines[start : start + lot]:
                pipeline.xadd(STREAM, {FIELD: payload})
            pipeline.execute()
        used = client.info("memory")["used_memory"] - before
        client.flushall()
    return (int(used) - sum(map(len, lines))) / len(lines)


def worker(servers: Servers, events: int, setup: zik.Setup) -> list[Line]:
    """The largest pool process's memory, and how much it grew after the first half of the events."""
    servers.clear()
    with servers.redis() as client, zik.workers(servers, setup):
        publisher = threading.Thread(target=_publish, args=[servers, events], daemon=True)
        publisher.start()
        sizes: list[tuple[int, float]] = []
        for goal in range(1, _LOOKS + 1):
            while (done := zik.finished(client)) < events * goal // _LOOKS:
                time.sleep(0.1)
            sizes.append((done, max(_resident_mb(child) for child in _pool())))
            console.print(f"  {done:,} events: {sizes[-1][1]:.1f} MB", highlight=False)
        publisher.join()
    half = [size for done, size in sizes if done >= events * _SETTLED]
    peak = Measured((max(size for _, size in sizes),))
    return [
        Line(goals.CHILD.what, peak, "MB", f"over {events:,} events", goals.CHILD),
        Line("its growth over the second half", Measured((half[-1] - half[0],)), "MB"),
    ]


def _publish(servers: Servers, events: int) -> None:
    """Fresh plays for as long as it takes, never too far ahead of the worker. Ids are the SDK's own, hence unique."""
    with Client(servers.redis_url, sync=True, max_waiting=0) as client, servers.redis() as plain:
        source = _endless()
        for _ in range(0, events, _LOT):
            while plain.xlen(STREAM) > _AHEAD:
                time.sleep(0.02)
            client.publish_many([next(source) for _ in range(_LOT)])


def _endless() -> Iterator[dict[str, Any]]:
    """Plays without end, of a hundred thousand listeners and a million songs: more than any cache should keep."""
    rng = random.Random(1)  # noqa: S311 -- repeatable, not secret
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in itertools.count():
        # The logarithm of the rank spread evenly is Zipf's law.
        song, user = int(_SONGS ** rng.random()), int(_USERS ** rng.random())
        yield {
            "type": "play",
            "time": (start + timedelta(seconds=number)).isoformat(),
            "user": f"listener-{user}",
            "song": {"title": f"Song {song}", "artist": f"Artist {song % 50_000}"},
            "ms_played": 180_000,
        }


def _pool() -> list[psutil.Process]:
    """The pool's processes: the children of a Celery worker have its command line too."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if _is_celery(process) and _is_celery(process.parent())]


def _is_celery(process: psutil.Process | None) -> bool:
    return process is not None and "celery" in process.cmdline()


def _resident_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MB
