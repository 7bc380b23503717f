"""Two years of three people's real listening, through the whole of zik."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.processes import count, eventually, running_worker, url_of
from worker.books import Books
from worker.drain.drain import Drain
from worker.stream.consumer import EventStream

pytestmark = pytest.mark.data

EVENTS = 80_761
PLAYS = 80_760
SONGS = 15_427
USERS = 3


def lines(shared_data: Path) -> Iterator[bytes]:
    for path in sorted((shared_data / "events").glob("*.jsonl.gz")):
        with gzip.open(path) as file:
            yield from (line.rstrip(b"\n") for line in file)


def publish(stream: EventStream, shared_data: Path) -> None:
    payloads = list(lines(shared_data))
    assert len(payloads) == EVENTS
    for start in range(0, EVENTS, 5000):
        stream.append(payloads[start : start + 5000])


def rows(engine: Engine) -> tuple[int, int, int, int]:
    return (
        count(engine, "play_history"),
        count(engine, "songs"),
        count(engine, "app_users"),
        count(engine, "dead_letters"),
    )


def assert_done(books: Books, *, rounds: int) -> None:
    assert books.received == rounds * EVENTS
    assert books.recorded == PLAYS
    assert books.duplicate == rounds * EVENTS - PLAYS
    assert (books.dead, books.waiting, books.unaccounted) == (0, 0, 0)


def test_one_drain_records_republished_plays_once(stream: EventStream, sqlite: Engine, shared_data: Path) -> None:
    drain = Drain(stream, sqlite, "a")
    for rounds in (1, 2):
        publish(stream, shared_data)
        drain.run()
        assert_done(stream.books(), rounds=rounds)
        assert rows(sqlite) == (PLAYS, SONGS, USERS, 0)


def test_two_worker_slots_record_republished_plays_once(
    stream: EventStream, redis_url: str, postgres: Engine, shared_data: Path, tmp_path: Path
) -> None:
    publish(stream, shared_data)
    with running_worker(redis_url=redis_url, database_url=url_of(postgres), folder=tmp_path, slots=2) as worker:
        for rounds in (1, 2):
            eventually(lambda: stream.books().waiting == 0, within_s=60, told=lambda: worker.log)
            assert_done(stream.books(), rounds=rounds)
            assert rows(postgres) == (PLAYS, SONGS, USERS, 0)
            if rounds == 1:
                publish(stream, shared_data)
        worker.stop()
