import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, update

from tests.support.events import payload, play
from tests.support.processes import url_of
from worker.celery.application import app
from worker.database.engine import snapshot, transaction
from worker.drain.drain import Drain
from worker.models import DeadLetter
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.tasks.maintenance import maintenance


@pytest.fixture
def settled(stream: EventStream, redis_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Two dead letters, one of them old, and a worker's settings that keep letters for a month."""
    settings = load_settings(redis_url=redis_url, database_url=url_of(engine), keep_dead_letters_days=30)
    monkeypatch.setattr(app, "settings", settings)
    stream.append([b"{", b"[]"])
    Drain(stream, engine, "only").run()
    with transaction(engine) as session:
        old = datetime.now(UTC) - timedelta(days=31)
        session.execute(update(DeadLetter).where(DeadLetter.reason == "invalid_json").values(updated_at=old))
    return engine


def test_expired_dead_letters_go_but_still_count_in_the_books(settled: Engine, stream: EventStream) -> None:
    assert maintenance() == {"given back": 0, "retired": 0, "discarded": 1}
    with snapshot(settled) as session:
        assert session.scalars(select(DeadLetter.reason)).all() == ["wrong_type"]
    assert (stream.books().dead, stream.books().unaccounted) == (2, 0)


def test_dead_letters_never_expire_by_default(settled: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "settings", load_settings(redis_url=redis_url, database_url=url_of(settled)))
    assert maintenance()["discarded"] == 0
    with snapshot(settled) as session:
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 2


def test_idle_consumers_are_retired_unless_entries_are_pending(
    settled: Engine, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    del settled
    stream.append([payload(play())])
    stream.read_new("holder", count=1, block_ms=0)
    # The package gives the task the module's name.
    monkeypatch.setattr(sys.modules["worker.tasks.maintenance"], "IDLE_S", -1.0)
    assert maintenance()["retired"] == 1
    assert [consumer.name for consumer in stream.consumers()] == ["holder"]


def test_an_event_of_a_deleted_consumer_is_recorded(settled: Engine, stream: EventStream) -> None:
    stream.append([payload(play())])
    stream.read_new("robbed", count=1, block_ms=0)
    stream._redis.xgroup_delconsumer("zik:{events}", "recorders", "robbed")
    heir = Drain(stream, settled, "heir")
    assert heir.run().events == 0
    assert maintenance()["given back"] == 1
    assert Drain(stream, settled, "heir").run().events == 1
    assert (stream.books().recorded, stream.books().waiting, stream.books().unaccounted) == (1, 0, 0)


def test_the_progress_of_a_vanished_consumer_is_retired(
    settled: Engine, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    del settled
    stream.report("of a destroyed group", {})
    monkeypatch.setattr(sys.modules["worker.tasks.maintenance"], "IDLE_S", -1.0)
    maintenance()
    assert (stream.consumers(), stream.last_progress_s()) == ([], {})


def test_s3_letters_are_old_by_the_clock_of_redis(
    settled: Engine, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with a clock a year ahead would delete them all."""
    del settled
    year_ago = stream.now() - timedelta(days=365)
    monkeypatch.setattr(EventStream, "now", lambda _: year_ago)
    assert maintenance()["discarded"] == 0
