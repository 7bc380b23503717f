"""`zik publish` and `zik import` leave in their files what the stream has no room for."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from tests.support.clients import TIMEOUT_S
from tests.support.commands import Zik, zik_at
from tests.support.events import preference
from tests.support.processes import eventually
from worker.contract.codec import encode
from worker.drain.drain import Drain
from worker.stream.consumer import EventStream
from worker.stream.keys import STREAM

EVENTS, BATCH = 3_000, 1_000


@pytest.fixture
def zik(sqlite: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    monkeypatch.setenv("ZIK_MAX_WAITING", str(BATCH))
    return zik_at(sqlite, redis_url, monkeypatch, capfd)


@pytest.fixture
def drain(stream: EventStream, sqlite: Engine) -> Drain:
    return Drain(stream, sqlite, "a")


def events(folder: Path) -> list[str]:
    (folder / "events").write_bytes(b"\n".join(encode(preference(value=number)) for number in range(EVENTS)))
    return ["publish", str(folder / "events")]


def export(folder: Path) -> list[str]:
    listened = {"endTime": "2021-04-22 05:41", "artistName": "Shindy", "trackName": "Dreams"}
    (folder / "export").write_text(json.dumps([listened | {"msPlayed": number} for number in range(EVENTS)]))
    return ["import", "--user", "ada", str(folder / "export")]


@pytest.mark.parametrize("prepared", [events, export])
def test_bulk_publishing_waits_for_workers_above_max_waiting(
    zik: Zik, drain: Drain, valkey: "redis.Redis", tmp_path: Path, prepared: Callable[[Path], list[str]]
) -> None:
    def looks() -> int:
        return int(valkey.info("commandstats").get("cmdstat_xlen", {"calls": 0})["calls"])

    def work() -> list[int]:
        """Let the command find no room a few times, and then drain until it has sent everything."""
        eventually(lambda: valkey.xlen(STREAM) == BATCH, within_s=TIMEOUT_S)
        before = looks()
        eventually(lambda: looks() >= before + 2, within_s=TIMEOUT_S)
        held = [valkey.xlen(STREAM)]
        while drain.stream.books().received < EVENTS:
            held.append(valkey.xlen(STREAM))
            drain.run()
        return held

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(work)
        answer = zik(*prepared(tmp_path))
        held = worker.result(timeout=TIMEOUT_S)
    assert held[0] == BATCH
    assert max(held) < 2 * BATCH
    assert answer.code == 0
    assert f"published {EVENTS:,} events" in answer.out
    assert answer.err.count("waiting for room: 1,000 events wait for workers") == 1


def test_without_max_waiting_bulk_publishing_does_not_wait(
    zik: Zik, valkey: "redis.Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIK_MAX_WAITING", "0")
    answer = zik(*events(tmp_path))
    assert answer.code == 0
    assert "waiting for room" not in answer.err
    assert valkey.xlen(STREAM) == EVENTS
