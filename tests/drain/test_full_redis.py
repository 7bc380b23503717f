"""Redis at `maxmemory`: only the drain can make room, and it must need no Celery message for that (F11)."""

from contextlib import suppress
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError
from sqlalchemy import Engine

from tests.support.events import play_payloads
from tests.support.processes import count, eventually, full, running_worker, url_of
from worker.celery.application import make_app
from worker.celery.bootsteps import drain_if_full, ring
from worker.database.engine import open_engine
from worker.drain.relief import drain_while_full
from worker.errors import StreamFullError
from worker.settings import load_settings
from worker.stream.consumer import EventStream

EVENTS = 6000


def filled(stream: EventStream, valkey: "redis.Redis", number: int = EVENTS) -> int:
    """Publish events, and return the `maxmemory` at which they are too many by a fifth."""
    before = int(valkey.info()["used_memory"])
    stream.append(play_payloads(number, source="x" * 100))
    return before + (int(valkey.info()["used_memory"]) - before) * 4 // 5


def test_a_starting_worker_empties_a_full_redis_and_works(
    stream: EventStream, valkey: "redis.Redis", redis_url: str, postgres: Engine, tmp_path: Path
) -> None:
    with full(valkey, maxmemory=filled(stream, valkey)):
        with pytest.raises(StreamFullError):
            stream.append(play_payloads(1))
        with running_worker(redis_url=redis_url, database_url=url_of(postgres), folder=tmp_path, slots=2) as worker:
            stream.append(play_payloads(1, start=EVENTS))
            eventually(lambda: stream.books().waiting == 0, within_s=20, told=lambda: worker.log)
            worker.stop()
    assert count(postgres, "play_history") == EVENTS + 1
    books = stream.books()
    assert (books.received, books.recorded, books.balanced) == (EVENTS + 1, EVENTS + 1, True)


def test_drain_while_full_needs_neither_a_group_nor_a_schema(
    stream: EventStream, valkey: "redis.Redis", redis_url: str, empty_postgres_url: str
) -> None:
    """Neither the group nor the schema is there, and neither can wait for a Celery message."""
    settings = load_settings(redis_url=redis_url, database_url=empty_postgres_url)
    engine = open_engine(settings.database_url)
    with full(valkey, maxmemory=filled(stream, valkey)):
        assert drain_while_full(settings, consumer="relief") == EVENTS
    assert count(engine, "play_history") == EVENTS
    assert stream.consumers() == []
    engine.dispose()


def test_a_bell_that_cannot_ring_into_a_full_redis_drains_it(
    stream: EventStream, valkey: "redis.Redis", redis_url: str, postgres: Engine
) -> None:
    settings = load_settings(redis_url=redis_url, database_url=url_of(postgres))
    with full(valkey, maxmemory=filled(stream, valkey)):
        with pytest.raises(OperationalError):
            ring(make_app(settings))
        drain_if_full(settings)
    assert count(postgres, "play_history") == EVENTS
    assert stream.books().waiting == 0


def test_drain_if_full_leaves_a_redis_with_free_memory_alone(
    stream: EventStream, redis_url: str, sqlite: Engine
) -> None:
    stream.append(play_payloads(3))
    drain_if_full(load_settings(redis_url=redis_url, database_url=url_of(sqlite)))
    assert stream.books().waiting == 3


def test_drain_while_full_leaves_a_redis_with_free_memory_alone(
    stream: EventStream, redis_url: str, sqlite: Engine
) -> None:
    stream.append(play_payloads(3))
    assert drain_while_full(load_settings(redis_url=redis_url, database_url=url_of(sqlite)), consumer="relief") == 0
    assert stream.books().waiting == 3


def test_drain_while_full_ends_when_the_stream_is_empty(
    stream: EventStream, valkey: "redis.Redis", redis_url: str, sqlite: Engine
) -> None:
    stream.append(play_payloads(3))
    with full(valkey):
        assert drain_while_full(load_settings(redis_url=redis_url, database_url=url_of(sqlite)), consumer="relief") == 3
    assert stream.books().recorded == 3


def test_drain_while_full_keeps_the_events_without_a_database(
    stream: EventStream, valkey: "redis.Redis", redis_url: str
) -> None:
    settings = load_settings(redis_url=redis_url, database_url="postgresql://zik:geheim@127.0.0.1:1/zik")
    stream.append(play_payloads(3))
    with full(valkey):
        assert drain_while_full(settings, consumer="relief") == 0
    assert (stream.books().waiting, stream.books().dead) == (3, 0)


def test_drain_while_full_gives_up_without_redis() -> None:
    settings = load_settings(redis_url="redis://127.0.0.1:1/0", database_url="sqlite:///unused.db")
    assert drain_while_full(settings, consumer="relief") == 0


def test_a_worker_that_is_already_running_empties_a_full_redis(
    stream: EventStream, valkey: "redis.Redis", redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    """The bell cannot ring in a full Redis, so it must not be the only way to a drain."""
    batches = [play_payloads(1000, start=start, source="x" * 100) for start in range(0, 20_000, 1000)]
    with running_worker(redis_url=redis_url, database_url=url_of(sqlite), folder=tmp_path) as worker:
        # At once, before the first ring: later on a drain is always under way.
        with full(valkey, maxmemory=int(valkey.info()["used_memory"]) + 1_000_000):
            with suppress(StreamFullError):
                for batch in batches:
                    stream.append(batch)
            eventually(lambda: stream.books().waiting == 0, within_s=10, told=lambda: worker.log)
        worker.stop()
    books = stream.books()
    assert count(sqlite, "play_history") == books.recorded == books.received
