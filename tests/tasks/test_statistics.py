"""The scheduled tasks, called in this process, and once by a real beat for a real worker."""

from datetime import UTC, date, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest
import redis
from sqlalchemy import Engine, func, select, text

from tests.support.events import event_id, payload, play, song
from tests.support.processes import count, eventually, running, running_worker, url_of
from tests.support.rollup_rows import RULE, assert_exact, record
from worker.celery.application import app, make_app
from worker.celery.names import AGGREGATE_LISTENING, MAINTENANCE_QUEUE, RECORD_QUEUE, REFRESH_CHARTS, STATISTICS_QUEUE
from worker.database.engine import snapshot, transaction
from worker.database.locks import AdvisoryLock, take
from worker.models import ChartPlace, ListeningHour, StaleDay
from worker.settings import load_settings
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM
from worker.stream.measurements import last_aggregation_at
from worker.tasks.aggregate import aggregate_listening
from worker.tasks.charts import refresh_charts

NOON = datetime(2024, 5, 15, 12, tzinfo=UTC)


@pytest.fixture
def recorded(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Plays of 2024 and of 2021 without statistics, and a worker's settings."""
    settings = load_settings(redis_url=redis_url, database_url=url_of(engine))
    own = make_app(settings)
    monkeypatch.setattr(app, "settings", settings)
    monkeypatch.setattr("worker.tasks.aggregate.app", own)
    record(engine, play(id=event_id(1), time=NOON.isoformat()), play(id=event_id(2), song=song(title="old")))
    return engine


def test_the_task_computes_the_stale_days(recorded: Engine) -> None:
    assert aggregate_listening() == "computed 3 days, after changes to 0 users and songs"
    assert_exact(recorded)
    assert aggregate_listening() == "computed 0 days, after changes to 0 users and songs"


def aggregated_at(redis_url: str) -> int | None:
    with EventStream.opened(redis_url) as stream:
        return last_aggregation_at(stream.measures())


def test_a_finished_sweep_is_timestamped_by_the_clock_of_redis(
    recorded: Engine, redis_url: str, valkey: "redis.Redis"
) -> None:
    del recorded
    assert aggregated_at(redis_url) is None
    before, _ = valkey.time()
    aggregate_listening()
    after, _ = valkey.time()
    assert before <= (aggregated_at(redis_url) or 0) <= after


def test_an_unfinished_sweep_is_not_timestamped(
    recorded: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del recorded
    monkeypatch.setattr("worker.tasks.aggregate.BUDGET_S", 0.0)
    assert "more is waiting" in str(aggregate_listening())
    assert aggregated_at(redis_url) is None


@pytest.mark.parametrize(("waiting", "days"), [(5_000, 3), (5_001, 1)])
def test_a_sweep_computes_fewer_days_during_a_backlog(
    recorded: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, *, waiting: int, days: int
) -> None:
    with EventStream.opened(redis_url) as stream:
        stream.append([b"{}"] * waiting)
    assert app.settings.batch_size == 5_000
    monkeypatch.setattr("worker.tasks.aggregate.BUDGET_IN_A_BACKLOG_S", 0.0)
    monkeypatch.setattr("worker.tasks.aggregate.DAYS_AT_ONCE_IN_A_BACKLOG", 1)
    assert str(aggregate_listening()).startswith(f"computed {days} days")
    assert count_stale(recorded) == 3 - days


def test_only_the_last_of_several_queued_calls_does_the_work(recorded: Engine, valkey: "redis.Redis") -> None:
    app_of_task = make_app(app.settings)
    app_of_task.send_task(AGGREGATE_LISTENING, retry=False)
    assert valkey.llen(STATISTICS_QUEUE) == 1
    assert aggregate_listening() == "another call waits"
    with snapshot(recorded) as session:
        assert session.scalar(select(func.count()).select_from(ListeningHour)) == 0
    assert aggregated_at(app.settings.redis_url) is None


def test_an_unreachable_database_is_no_error_of_the_task(
    recorded: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del recorded
    away = load_settings(redis_url=app.settings.redis_url, database_url=f"sqlite:///{tmp_path}/no/such/folder/zik.db")
    monkeypatch.setattr("worker.tasks.aggregate.app", make_app(away))
    assert aggregate_listening() is None
    assert aggregated_at(app.settings.redis_url) is None


def periods(engine: Engine) -> set[tuple[str, date]]:
    with snapshot(engine) as session:
        return {(period, day) for period, day in session.execute(select(ChartPlace.period, ChartPlace.starts_on))}


def test_hourly_charts_are_of_open_periods_and_daily_ones_of_all(
    recorded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock of the task is frozen: around midnight it would show another day than the play's.
    monkeypatch.setattr("worker.tasks.charts.datetime", Mock(now=NOON.astimezone))
    record(recorded, play(user="bob", time=NOON.isoformat()))
    refresh(recorded, RULE)
    refresh_charts()
    hourly = periods(recorded)
    assert ("day", NOON.date()) in hourly
    assert ("all", date.min) in hourly
    assert not any(day.year == 2021 for _, day in hourly)
    refresh_charts(closed=True)
    assert {("day", date(2021, 4, 22)), ("week", date(2021, 4, 19)), ("year", date(2021, 1, 1))} <= periods(recorded)
    assert verify(recorded, RULE).exact
    assert refresh_charts(closed=True) == 0


def test_no_chart_is_drawn_until_there_is_a_second_listener(recorded: Engine) -> None:
    refresh(recorded, RULE)
    assert refresh_charts(closed=True) is None
    assert periods(recorded) == set()
    record(recorded, play(user="bob", time=NOON.isoformat()))
    refresh(recorded, RULE)
    assert refresh_charts(closed=True) == 10
    assert {("day", date(2021, 4, 22)), ("day", NOON.date()), ("all", date.min)} <= periods(recorded)
    assert verify(recorded, RULE).exact


def test_beat_schedules_sweeps_that_a_worker_runs(redis_url: str, sqlite: Engine, tmp_path: Path) -> None:
    record(sqlite, play(id=event_id(1)), play(id=event_id(2), song=song(title="b")))
    beat = ["celery", "-A", "worker", "beat", "--schedule", str(tmp_path / "beat"), "--pidfile", ""]
    with (
        running_worker(redis_url=redis_url, database_url=url_of(sqlite), folder=tmp_path, slots=1) as worker,
        running(beat, folder=tmp_path, REDIS_URL=redis_url, DATABASE_URL=url_of(sqlite)),
    ):
        eventually(lambda: count_stale(sqlite) == 0, within_s=60, every_s=0.5, told=lambda: worker.log)
    assert_exact(sqlite)


def test_a_drain_only_worker_does_not_wait_for_statistics(
    redis_url: str, valkey: "redis.Redis", postgres: Engine, tmp_path: Path
) -> None:
    at = {"REDIS_URL": redis_url, "DATABASE_URL": url_of(postgres)}
    celery = ["celery", "-A", "worker", "worker", "-c", "1", "-l", "INFO", "-Q"]
    with (
        running([*celery, f"{STATISTICS_QUEUE},{MAINTENANCE_QUEUE}"], folder=tmp_path, **at) as statistics,
        running([*celery, RECORD_QUEUE], folder=tmp_path, **at) as recorder,
        transaction(postgres) as session,
    ):
        for worker in (statistics, recorder):
            worker.wait_for(" ready.")
        # Another transaction draws charts until the end of this test.
        take(session.connection(), AdvisoryLock.DRAW_CHARTS)
        make_app(load_settings(redis_url=redis_url)).send_task(REFRESH_CHARTS)
        eventually(lambda: waiters(postgres) == 1, within_s=30, told=lambda: statistics.log)
        valkey.xadd(STREAM, {FIELD: payload(play())})
        eventually(lambda: count(postgres, "play_history") == 1, within_s=10)
        assert waiters(postgres) == 1
    assert "first_entry" in recorder.log
    assert "first_entry" not in statistics.log


def waiters(engine: Engine) -> int:
    with snapshot(engine) as session:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        return session.scalar(text(waiting)) or 0


def count_stale(engine: Engine) -> int:
    with snapshot(engine) as session:
        return session.scalar(select(func.count()).select_from(StaleDay)) or 0
