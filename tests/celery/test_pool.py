"""How a worker's pool holds its drains, and when it shrinks: no worker, a real broker."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.utils.imports import symbol_by_name
from sqlalchemy import Engine

from tests.support.processes import url_of
from worker.celery.application import app
from worker.celery.pool_process import Slots
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import place_of


@pytest.fixture
def slots(redis_url: str, sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slots]:
    monkeypatch.setattr(app, "settings", load_settings(redis_url=redis_url, database_url=url_of(sqlite)))
    slots = Slots()
    yield slots
    slots.close()


def test_threads_that_live_for_one_task_share_one_consumer(slots: Slots) -> None:
    """As the greenlets of gevent's pool do."""
    consumers = []

    def drain() -> None:
        with slots.taken("celery@here") as (opened, _):
            opened.run()
            consumers.append(opened.consumer)

    for _ in range(5):
        thread = threading.Thread(target=drain)
        thread.start()
        thread.join()
    assert len(consumers) == 5
    assert {place_of(name) for name in consumers} == {"celery@here:0"}


def test_tasks_that_run_at_once_have_drains_of_their_own(slots: Slots) -> None:
    with slots.taken("celery@here") as (first, _), slots.taken("celery@here") as (second, _):
        assert first is not second
        assert [place_of(each.consumer) for each in (first, second)] == ["celery@here:0", "celery@here:1"]
    with slots.taken("celery@here") as (again, _):
        assert again is first


def test_a_task_that_fails_gives_its_drain_back(slots: Slots) -> None:
    with pytest.raises(ValueError, match="x"), slots.taken("celery@here") as (first, _):
        raise ValueError("x")
    with slots.taken("celery@here") as (second, _):
        assert second is first


def test_a_worker_that_ends_leaves_no_consumer(slots: Slots, stream: EventStream) -> None:
    with slots.taken("celery@here") as (drain, _):
        drain.run()
        assert [each.name for each in stream.consumers()] == [drain.consumer]
    slots.close()
    assert (stream.consumers(), stream.last_progress_s()) == ([], {})


class Pool:
    """A pool of processes, as the autoscaler sees one."""

    def __init__(self, processes: int) -> None:
        self.num_processes = processes

    def shrink(self, number: int) -> None:
        self.num_processes -= number

    def grow(self, number: int) -> None:
        self.num_processes += number

    def maintain_pool(self) -> None:
        pass


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], int]:
    """How many processes of eight are left after so many more seconds, each with a request, and so many tasks."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr("celery.worker.autoscale.monotonic", lambda: clock.now_s)
    pool = Pool(8)
    scaler: Any = symbol_by_name(app.conf.worker_autoscaler)(pool, 8, 2, worker=SimpleNamespace())
    scaler._last_scale_up = clock.now_s

    def after(seconds: int, tasks: int) -> int:
        monkeypatch.setattr("celery.worker.state.reserved_requests", range(tasks))
        for _ in range(seconds):
            clock.now_s += 1
            scaler.maybe_scale(object())
        return pool.num_processes

    return after


@pytest.mark.parametrize(("tasks", "left"), [(1, 2), (3, 3), (8, 8)])
def test_only_as_many_processes_stay_as_have_tasks(after: Callable[[int, int], int], tasks: int, left: int) -> None:
    """The pool has been idle for longer than Celery's 30 s."""
    assert after(40, tasks) == left


def test_a_pool_that_was_full_a_moment_ago_does_not_shrink(after: Callable[[int, int], int]) -> None:
    assert after(100, 8) == 8
    assert after(20, 1) == 8
    assert after(20, 1) == 2
