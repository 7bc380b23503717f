"""The bell alone: no worker, a real broker."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import redis
from kombu import pools
from sqlalchemy import Engine

from tests.support.events import payload, play
from tests.support.processes import eventually, full
from worker.celery.application import ZikCelery, make_app
from worker.celery.bootsteps import Bell, ring
from worker.celery.names import (
    AGGREGATE_LISTENING,
    BOOTSTRAP_SCHEMA,
    MAINTENANCE,
    MAINTENANCE_QUEUE,
    RECORD_EVENTS,
    RECORD_QUEUE,
    REFRESH_CHARTS,
    STATISTICS_QUEUE,
)
from worker.drain.drain import Drain
from worker.outage import OutageRetry
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.tasks.record import record_events


@pytest.fixture
def app(redis_url: str) -> Iterator[ZikCelery]:
    app = make_app(load_settings(redis_url=redis_url, database_url="sqlite:///unused.db"))
    yield app
    app.close()
    # The pools are kombu's own, one for each URL: a closed one would meet the next test.
    pools.reset()


@pytest.fixture
def bell(app: ZikCelery, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bell]:
    """A bell that rings twenty times a second."""
    monkeypatch.setattr("worker.celery.bootsteps.RING_S", 0.05)
    worker = SimpleNamespace(app=app)
    bell = Bell(worker)
    yield bell
    bell.stop(worker)
    for thread in threading.enumerate():
        if thread.name == "bell":
            thread.join(10)


def waiting(valkey: "redis.Redis") -> tuple[int, int]:
    return valkey.llen(RECORD_QUEUE), valkey.llen(MAINTENANCE_QUEUE)


def test_a_ring_queues_one_drain(app: ZikCelery, valkey: "redis.Redis") -> None:
    assert ring(app)
    assert waiting(valkey) == (1, 0)


def test_a_ring_queues_no_second_drain_while_one_waits(app: ZikCelery, valkey: "redis.Redis") -> None:
    assert ring(app)
    assert not ring(app)
    assert waiting(valkey) == (1, 0)


def test_a_ring_queues_a_drain_again_once_the_last_was_taken(app: ZikCelery, valkey: "redis.Redis") -> None:
    ring(app)
    valkey.lpop(RECORD_QUEUE)
    assert ring(app)
    assert waiting(valkey) == (1, 0)


@pytest.fixture
def waiting_event(app: ZikCelery, stream: EventStream, sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event, for the task that drains in this process."""
    drain = Drain(stream, sqlite, "a")
    monkeypatch.setattr("worker.tasks.record.app", app)
    monkeypatch.setattr("worker.tasks.record.taken_drain", lambda _: nullcontext((drain, OutageRetry())))
    monkeypatch.setattr("worker.tasks.record.DRY_S", 0.0)
    stream.append([payload(play())])


@pytest.mark.usefixtures("waiting_event")
@pytest.mark.parametrize(("budget_s", "asked"), [(0.0, 1), (60.0, 0)], ids=["its time is up", "the stream is dry"])
def test_a_drain_out_of_budget_queues_the_next_one(
    budget_s: float, asked: int, valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.tasks.record.BUDGET_S", budget_s)
    assert record_events.run()["recorded"] == 1
    assert waiting(valkey) == (asked, 0)


def test_a_ring_after_flushall_queues_a_drain(app: ZikCelery, valkey: "redis.Redis") -> None:
    ring(app)
    valkey.flushall()
    assert ring(app)
    assert waiting(valkey) == (1, 0)


@pytest.mark.parametrize("task", [BOOTSTRAP_SCHEMA, MAINTENANCE])
def test_maintenance_does_not_queue_behind_drains(app: ZikCelery, valkey: "redis.Redis", task: str) -> None:
    app.send_task(task, retry=False)
    assert waiting(valkey) == (0, 1)


@pytest.mark.parametrize("task", [AGGREGATE_LISTENING, REFRESH_CHARTS])
def test_statistics_have_a_queue_of_their_own(app: ZikCelery, valkey: "redis.Redis", task: str) -> None:
    app.send_task(task, retry=False)
    assert (waiting(valkey), valkey.llen(STATISTICS_QUEUE)) == ((0, 0), 1)


def test_a_drain_sent_by_hand_goes_to_the_record_queue(app: ZikCelery, valkey: "redis.Redis") -> None:
    app.send_task(RECORD_EVENTS, retry=False)
    assert waiting(valkey) == (1, 0)


def test_the_bell_rings_on_a_timer_and_queues_one_drain(app: ZikCelery, bell: Bell, valkey: "redis.Redis") -> None:
    bell.start(SimpleNamespace(app=app))
    eventually(lambda: waiting(valkey) == (1, 0), within_s=30)
    threading.Event().wait(0.3)
    assert waiting(valkey) == (1, 0)


def test_a_stopped_bell_queues_no_drain(app: ZikCelery, bell: Bell, valkey: "redis.Redis") -> None:
    worker = SimpleNamespace(app=app)
    bell.start(worker)
    eventually(lambda: waiting(valkey) == (1, 0), within_s=30)
    bell.stop(worker)
    threading.Event().wait(0.1)
    valkey.delete(RECORD_QUEUE)
    threading.Event().wait(0.3)
    assert waiting(valkey) == (0, 0)


def test_a_maintenance_only_worker_queues_no_drain(app: ZikCelery, bell: Bell, valkey: "redis.Redis") -> None:
    app.amqp.queues.select([MAINTENANCE_QUEUE])
    bell.start(SimpleNamespace(app=app))
    threading.Event().wait(0.3)
    assert waiting(valkey) == (0, 0)


def test_the_bell_resumes_once_redis_is_no_longer_full(app: ZikCelery, bell: Bell, valkey: "redis.Redis") -> None:
    with full(valkey):
        bell.start(SimpleNamespace(app=app))
        threading.Event().wait(0.5)
        assert waiting(valkey) == (0, 0)
    eventually(lambda: waiting(valkey) == (1, 0), within_s=30)
