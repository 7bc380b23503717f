"""`zik health`, as a probe asks."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from tests.support.events import play_payload
from tests.support.processes import ROOT, Process, eventually, running, running_worker, url_of
from worker.drain.drain import Drain
from worker.operations.health import LATE_S, Health, health
from worker.operations.metrics import Name
from worker.stream.consumer import EventStream
from worker.stream.keys import DRAINS


def age(valkey: "redis.Redis", consumer: str, seconds: int) -> None:
    """Let the consumer's last sign of life be so old."""
    valkey.hset(DRAINS, consumer, int(valkey.time()[0]) - seconds)


def test_an_idle_stream_with_a_drain_is_healthy(stream: EventStream, sqlite: Engine) -> None:
    Drain(stream, sqlite, "celery@here:0").run()
    assert health(stream, within_s=45).well
    assert health(stream, within_s=45, host="here").well


def test_s3_health_fails_on_a_machine_with_a_wrong_clock(stream: EventStream, sqlite: Engine) -> None:
    def at(clock: Callable[[], datetime], host: str | None = None) -> Health:
        return health(stream, within_s=45, host=host, now=clock)

    def wrong() -> datetime:
        return datetime.now(UTC) - timedelta(days=30)

    assert "about 30 days behind" in at(wrong).detail
    Drain(stream, sqlite, "celery@here:0").run()
    assert "about 30 days behind" in at(wrong, "here").detail
    assert not at(wrong, "here").well
    # Asked for all workers together: those elsewhere make progress.
    assert at(wrong).well


def test_s4_a_successor_answers_for_what_its_predecessor_held(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.append([play_payload()])
    stream.ensure_group()
    stream.read_new("celery@here:0/5f1d8a2c9b3e4d7f", count=1, block_ms=0)
    age(valkey, "celery@here:1", 1)
    assert not health(stream, within_s=45, host="here").well
    age(valkey, "celery@here:0/3fa9c2d1-4711-398812", 1)
    assert health(stream, within_s=45, host="here").well


def test_health_fails_where_no_drain_ever_ran(stream: EventStream) -> None:
    assert "no drain is known" in health(stream, within_s=45).detail


def test_health_fails_when_a_drain_stops_making_progress(stream: EventStream, valkey: "redis.Redis") -> None:
    age(valkey, "celery@here:0", 60)
    assert "for 60 s" in health(stream, within_s=45).detail
    assert health(stream, within_s=90).well


def test_another_host_does_not_answer_for_this_one(stream: EventStream, valkey: "redis.Redis") -> None:
    age(valkey, "celery@here:0", 60)
    age(valkey, "celery@there:1", 1)
    assert health(stream, within_s=45).well
    assert health(stream, within_s=45, host="there").well
    assert not health(stream, within_s=45, host="here").well
    assert not health(stream, within_s=45, host="her").well


def test_health_fails_for_a_stuck_drain_beside_an_idle_one(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.append([play_payload()])
    stream.ensure_group()
    stream.read_new("celery@here:0", count=1, block_ms=0)
    age(valkey, "celery@here:1", 1)
    assert "celery@here:0 holds 1 events" in health(stream, within_s=45, host="here").detail
    age(valkey, "celery@here:0", 60)
    assert "celery@here:0 holds 1 events" in health(stream, within_s=45, host="here").detail
    age(valkey, "celery@here:0", 5)
    assert health(stream, within_s=45, host="here").well


def test_f23_health_fails_for_an_old_event_though_drains_run(stream: EventStream, valkey: "redis.Redis") -> None:
    age(valkey, "celery@here:0", 1)
    valkey.xadd("zik:{events}", {b"event": play_payload()}, id=f"{(int(valkey.time()[0]) - 50) * 1000}-0")
    assert "oldest event has waited for 5" in health(stream, within_s=45).detail
    assert health(stream, within_s=45, host="here").well


@pytest.fixture
def probe(redis_url: str, sqlite: Engine, tmp_path: Path) -> "Probe":
    return Probe(redis_url, url_of(sqlite), tmp_path)


class Probe:
    def __init__(self, redis_url: str, database_url: str, folder: Path) -> None:
        self._where = {"REDIS_URL": redis_url, "DATABASE_URL": database_url}
        self._folder = folder

    def __call__(self, *arguments: str) -> tuple[int, str]:
        with running(["worker", "health", *arguments], folder=self._folder, **self._where) as process:
            return process.wait(), process.log


def test_f35_health_fails_when_a_workers_main_process_hangs(
    probe: Probe, redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    with running_worker(redis_url=redis_url, database_url=url_of(sqlite), folder=tmp_path) as worker:
        eventually(lambda: probe("--here")[0] == 0, within_s=30, told=lambda: worker.log)
        frozen(worker)
        eventually(lambda: probe("--here", "--within", "3")[0] == 1, within_s=45, told=lambda: probe("--here"))
        code, line = probe("--here", "--within", "3")
    assert (code, line.count("\n")) == (1, 1)
    assert "no drain has made progress" in line


def frozen(worker: Process) -> None:
    os.kill(worker.pid, signal.SIGSTOP)


def test_without_redis_the_probe_fails_with_one_line(tmp_path: Path) -> None:
    with running(["worker", "health"], folder=tmp_path, REDIS_URL="redis://:canary@127.0.0.1:1/0") as process:
        assert process.wait() == 1
    assert process.log.startswith("zik: Redis is out of reach")
    assert process.log.count("\n") == 1
    assert "canary" not in process.log


def test_the_probe_prints_one_line_and_refuses_unknown_options(
    stream: EventStream, sqlite: Engine, probe: "Probe"
) -> None:
    Drain(stream, sqlite, "celery@here:0").run()
    code, line = probe("--within", "60")
    assert (code, line.count("\n")) == (0, 1)
    assert line.startswith("a drain made progress")
    assert probe("--nonsense")[0] == 2


def test_a_probe_loads_neither_celery_nor_the_database(
    stream: EventStream, sqlite: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Drain(stream, sqlite, "celery@here:0").run()
    monkeypatch.setenv("REDIS_URL", redis_url)
    script = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); sys.argv[1:] = ['health']"
    command = [sys.executable, "-c", f"{script}; from worker.__main__ import main; main()"]
    line, loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert line.startswith("a drain made progress")
    assert "worker.stream.consumer" in loaded.split()
    assert {"celery", "sqlalchemy", "alembic", "rich", "structlog"} & set(loaded.split()) == set()


def test_the_alerts_and_the_health_check_call_the_same_age_late() -> None:
    alerts = (ROOT / "ops" / "prometheus" / "alerts.yml").read_text()
    for metric in (Name.LAST_DRAIN_AGE, Name.OLDEST_WAITING):
        assert re.findall(rf"{metric} > (\d+)", alerts) == [f"{LATE_S:.0f}"]
    assert re.findall(r"for (\d+) s", alerts) == [f"{LATE_S:.0f}"]
