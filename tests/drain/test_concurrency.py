"""Several drains at once on PostgreSQL, all writing the same rows, each in an order of its own."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.support.events import favorite, payload, play_payload, preference, song
from tests.support.processes import count, url_of
from worker.database.engine import open_engine, snapshot, transaction
from worker.drain.drain import Drain
from worker.stream.consumer import EventStream

DRAINS = 4
ROWS = 40
ROUNDS = 3
TABLES = ("app_users", "songs", "play_history", "favorites", "preferences")

Event = Callable[[int, int], bytes]


def _favorite(user: int, n: int, second: int = 0) -> bytes:
    time = f"2021-04-22T05:40:{second:02d}Z"
    return payload(favorite(time=time, user=f"user {user}", song=song(title=f"song {n}")))


def _preference(key: str, second: int) -> bytes:
    return payload(preference(time=f"2021-04-22T05:40:{second:02d}Z", key=key, value=1))


# What makes the n-th event of a round, so that only the kind's own table meets new rows.
EVENTS: dict[str, Event] = {
    "users": lambda round_, n: play_payload(user=f"user {round_} {n}"),
    "songs": lambda round_, n: play_payload(f"song {round_} {n}"),
    "plays": lambda round_, n: play_payload(f"song {n}", time=f"2021-04-23T05:{round_:02d}:{n:02d}Z"),
    "favorites": _favorite,
    "preferences": lambda round_, n: _preference(f"key.{n}.{round_}", round_),
    "known favorites": lambda round_, n: _favorite(0, n, second=round_),
    "known preferences": lambda round_, n: _preference(f"key.{n}", round_),
}


@pytest.fixture
def slow(postgres: Engine) -> Iterator[Engine]:
    """A database that needs a millisecond for each row, so that transactions meet while they write."""
    with transaction(postgres) as session:
        session.execute(
            text(
                "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END $$"
            )
        )
        for table in TABLES:
            session.execute(
                text(f"CREATE TRIGGER dawdle BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION dawdle()")
            )
    yield postgres
    with transaction(postgres) as session:
        session.execute(text("DROP FUNCTION dawdle CASCADE"))


@pytest.fixture
def drains(redis_url: str, slow: Engine) -> Iterator[list[Drain]]:
    """Drains whose transactions begin together, on a database that knows the songs and users common to all rounds."""
    together = _together()
    drains = [
        Drain(
            EventStream.at(redis_url),
            open_engine(url_of(slow)),
            f"drain {number}",
            batch_size=ROWS,
            transaction=together,
        )
        for number in range(DRAINS)
    ]
    drains[0].stream.append(_acquaintances())
    Drain(drains[0].stream, drains[0].engine, "first", batch_size=ROWS).run()
    yield drains
    for drain in drains:
        drain.stream.close()
        drain.engine.dispose()


def _acquaintances() -> list[bytes]:
    users = [play_payload("song 0", user=name) for name in ("ada", *(f"user {round_}" for round_ in range(ROUNDS)))]
    return users + [play_payload(f"song {n}") for n in range(ROWS)]


def _together() -> Callable[[Engine], AbstractContextManager[Session]]:
    barrier = threading.Barrier(DRAINS, timeout=3)

    @contextmanager
    def together(engine: Engine) -> Iterator[Session]:
        with transaction(engine) as session:
            session.connection()
            with suppress(threading.BrokenBarrierError):
                barrier.wait()
            yield session

    return together


def shuffled(event: Event, round_: int, chance: random.Random) -> list[bytes]:
    """A batch for each drain: the same events, each with an id of its own, in an order of its own.

    Every second batch holds but a part of them, more than once: sets of different size differ in their order.
    """
    whole = [event(round_, n) for n in range(ROWS)]
    part = (whole[:18] * ROWS)[:ROWS]
    return [
        with_new_id(payload, chance)
        for number in range(DRAINS)
        for payload in chance.sample(part if number % 2 else whole, ROWS)
    ]


def with_new_id(payload: bytes, chance: random.Random) -> bytes:
    """The same event by another road: the same moment, another id."""
    event_id = f"{chance.getrandbits(32):08x}-0000-7000-8000-{chance.getrandbits(48):012x}"
    return json.dumps({**json.loads(payload), "id": event_id}).encode()


@pytest.mark.parametrize("kind", EVENTS)
def test_drains_that_write_the_same_rows_never_deadlock(stream: EventStream, drains: list[Drain], kind: str) -> None:
    before, chance = stream.books(), random.Random(kind)
    with ThreadPoolExecutor(DRAINS) as threads:
        for round_ in range(ROUNDS):
            stream.append(shuffled(EVENTS[kind], round_, chance))
            # A deadlock would come out of here as DatabaseUnavailableError (40P01).
            list(threads.map(Drain.run, drains))
    books = stream.books()
    assert books.received - before.received == ROUNDS * DRAINS * ROWS
    assert (books.waiting, books.dead, books.balanced) == (0, 0, True)


def test_concurrent_drains_write_the_same_rows_as_one(stream: EventStream, drains: list[Drain], slow: Engine) -> None:
    before, chance = count(slow, "play_history"), random.Random(4)
    with ThreadPoolExecutor(DRAINS) as threads:
        for kind in ("plays", "known favorites", "known preferences"):
            for round_ in range(ROUNDS):
                stream.append(shuffled(EVENTS[kind], round_, chance))
                list(threads.map(Drain.run, drains))
    assert count(slow, "play_history") - before == ROUNDS * ROWS
    assert count(slow, "songs") == ROWS
    assert count(slow, "app_users") == 1 + ROUNDS
    with snapshot(slow) as session:
        for table in ("favorites", "preferences"):
            newest = session.execute(text(f"SELECT count(*), count(DISTINCT said_at), max(said_at) FROM {table}"))
            assert [(rows, moments, at.second) for rows, moments, at in newest] == [(ROWS, 1, ROUNDS - 1)]
    books = stream.books()
    assert (books.waiting, books.dead, books.balanced) == (0, 0, True)
