"""The load of a soak: players that publish at a steady rate, and readers that look at pages."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import cycle
from typing import Any, Final

import redis
from uuid_utils import uuid7

from benchmarks.data import Shape, payloads
from benchmarks.servers import Servers
from worker.statistics.questions.visibility import PUBLIC_PROFILE
from worker.stream.keys import FIELD, STREAM

# As many listeners as such rates take: fewer would have thousands of plays a day, and each sweep computes whole days.
_SHAPE: Final = Shape(events=200_000, users=100_000, songs=100_000)
_LOTS_PER_S: Final = 100
_PROBES_PER_S: Final = 20
_AT_ONCE: Final = 1_000
_READERS: Final = 10
_READS_EVERY_S: Final = 1.0
_ANSWER_WITHIN_S: Final = 30.0
_PAGES: Final = ("", "top/songs", "top/artists", "top/albums", "2026")
_OK: Final = 200


@dataclass(frozen=True)
class Probe:
    """An event that somebody waits for. `sent_at` is of the monotonic clock that all processes share."""

    event_id: str
    sent_at: float


def _events() -> Iterator[tuple[str, bytes]]:
    """Plays without end, each with an id of its own and the time of now: no two of a listener at one instant."""
    known = [json.loads(line) for line in payloads(_SHAPE)]
    for number, event in enumerate(cycle(known)):
        event_id = str(uuid7())
        at = datetime.now(UTC) + timedelta(microseconds=number % 1_000)
        yield event_id, json.dumps({**event, "id": event_id, "time": at.isoformat()}).encode()


def publish(url: str, count: int) -> None:
    """As fast as it goes."""
    events = _events()
    with redis.Redis.from_url(url) as client:
        for _ in range(0, count, _AT_ONCE):
            _send(client, [next(events)[1] for _ in range(_AT_ONCE)])


def publish_at(url: str, rate: int, seconds: float, probes: Any, published: Any) -> None:
    """At a steady rate, in lots of ten milliseconds. A lot that is late is sent at once, so the rate is kept."""
    events = _events()
    every = max(1, _LOTS_PER_S // _PROBES_PER_S)
    began, sent = time.monotonic(), 0
    with redis.Redis.from_url(url) as client:
        for number in range(int(seconds * _LOTS_PER_S)):
            time.sleep(max(0.0, began + number / _LOTS_PER_S - time.monotonic()))
            lot = [next(events) for _ in range(round((number + 1) * rate / _LOTS_PER_S) - sent)]
            if not lot:
                continue
            sent_at = time.monotonic()
            _send(client, [payload for _, payload in lot])
            sent += len(lot)
            published.value = sent
            if number % every == 0:
                probes.put(Probe(lot[0][0], sent_at))


def _send(client: "redis.Redis", lot: list[bytes]) -> None:
    pipeline = client.pipeline(transaction=False)
    for payload in lot:
        pipeline.xadd(STREAM, {FIELD: payload})
    pipeline.execute()


# --- Readers ------------------------------------------------------------------------------------


@dataclass
class Answered:
    """How many pages were answered, and how long that took."""

    waited_s: list[float] = field(default_factory=list)
    failed: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        return len(self.waited_s)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def times(self) -> str:
        ordered = sorted(self.waited_s) or [float("nan")]
        p50, p99 = (1_000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms; {self.failed} without an answer within {_ANSWER_WITHIN_S:.0f} s"


@contextmanager
def readers(servers: Servers, port: int) -> Iterator[Answered]:
    """Ten readers, each of whom looks at a page of another listener's every second."""
    users = [f"listener-{number:03}" for number in range(_READERS)]
    with servers.redis() as client:
        now = datetime.now(UTC).isoformat()
        opened = {"v": 1, "type": "preference", "key": PUBLIC_PROFILE, "value": True, "time": now}
        _send(client, [json.dumps({**opened, "id": str(uuid7()), "user": user}).encode() for user in users])
    answered, stopped = Answered(), threading.Event()
    threads = [threading.Thread(target=_read, args=(port, user, answered, stopped)) for user in users]
    for thread in threads:
        thread.start()
    yield answered
    stopped.set()
    for thread in threads:
        thread.join()


def _read(port: int, user: str, answered: Answered, stopped: threading.Event) -> None:
    for page in cycle(_PAGES):
        if stopped.wait(_READS_EVERY_S):
            return
        began = time.monotonic()
        try:
            status = _answer(port, f"/u/{user}/{page}")
        except OSError:
            answered.failed += 1
            continue
        # Before the first event of a listener is recorded there are no pages of theirs.
        if status == _OK:
            answered.waited_s.append(time.monotonic() - began)


def _answer(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
