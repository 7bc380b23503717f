"""An entry that ends its readers is found among its neighbours, and nothing else is ever taken for one (F6)."""

from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
import redis
from sqlalchemy import Connection, Engine

from tests.support.processes import count, full, play, plays
from worker.contract.events import Accepted
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError
from worker.failpoints import POISON
from worker.operations.dead_letters import Desk, find
from worker.recorders.batch import record_batch
from worker.stream.consumer import EventStream
from worker.stream.keys import ATTEMPTS

POISONED = play("poison", source=POISON.decode())


def hit_a_bug(connection: Connection, accepted: list[Accepted], /, *rest: Any, **options: Any) -> Any:
    if any(POISON in entry.payload for entry in accepted):
        raise TypeError("a bug in zik")
    return record_batch(connection, accepted, *rest, **options)


def runs_until_dry(drain: Drain, error: type[BaseException]) -> int:
    """How many of its runs failed before one came to an end."""
    for failed in range(20):
        try:
            drain.run()
        except error:
            continue
        return failed
    pytest.fail("it never ran dry")


def test_a_payload_that_meets_a_bug_each_time_is_buried_and_its_neighbours_are_recorded(
    stream: EventStream, sqlite: Engine
) -> None:
    stream.append([*plays(20), POISONED, *plays(20, start=20)])
    # Once when it was new, once with all of its batch, once among fifty, three times alone.
    assert runs_until_dry(Drain(stream, sqlite, "a", record=hit_a_bug), TypeError) == 6
    assert count(sqlite, "play_history") == 40
    assert count(sqlite, "dead_letters", "reason = 'kills_reader'") == 1
    books = stream.books()
    assert (books.recorded, books.dead, books.waiting, books.unaccounted) == (40, 1, 0, 0)


def test_neighbours_are_recorded_before_the_suspect_is_tried_again(stream: EventStream, sqlite: Engine) -> None:
    stream.append([POISONED, *plays(10)])
    # It comes first, so they wait for its first lone attempt, and for no more.
    for _ in range(5):
        with pytest.raises(TypeError):
            Drain(stream, sqlite, "a", record=hit_a_bug).run()
    assert count(sqlite, "play_history") == 10


def test_the_dead_letter_keeps_the_payload_and_can_be_tried_again(stream: EventStream, sqlite: Engine) -> None:
    stream.append([POISONED])
    runs_until_dry(Drain(stream, sqlite, "a", record=hit_a_bug), TypeError)
    (letter,) = find(sqlite)
    assert letter.payload == POISONED
    Desk(sqlite, stream).retry([letter.id], now=datetime.now(UTC))
    assert count(sqlite, "play_history") == 1


def test_a_database_that_is_away_again_and_again_buries_nothing(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    def away(*_: Any, **__: Any) -> NoReturn:
        raise DatabaseUnavailableError("away")

    stream.append(plays(5))
    for number in range(12):
        # Each in a process of its own, which remembers nothing.
        with pytest.raises(DatabaseUnavailableError):
            Drain(stream, sqlite, "a", record=away).run()
        assert valkey.exists(ATTEMPTS) == 0, number
    Drain(stream, sqlite, "a").run()
    assert (stream.books().recorded, stream.books().dead) == (5, 0)


def test_what_was_survived_is_off_the_record(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    stream.append(plays(3))
    stream.ensure_group()
    stream.read_new("a", count=3, block_ms=0)
    Drain(stream, sqlite, "a").run()
    assert stream.books().recorded == 3
    assert valkey.exists(ATTEMPTS) == 0


def test_entries_read_for_the_first_time_cost_no_command_more(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    stream.append(plays(30))
    drain = Drain(stream, sqlite, "a", batch_size=10)
    valkey.config_resetstat()
    drain.run()
    commands = valkey.info("commandstats")
    assert commands["cmdstat_xreadgroup"]["calls"] >= 3
    assert [name for name in ("hmget", "hdel", "expire") if f"cmdstat_{name}" in commands] == []


def test_a_full_redis_can_still_be_rid_of_what_kills_its_readers(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    def meet_a_bug(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError

    stream.append(plays(200))
    with full(valkey):
        for _ in range(3):
            with pytest.raises(AssertionError):
                Drain(stream, sqlite, "a", batch_size=50, record=meet_a_bug).run()
        Drain(stream, sqlite, "a", batch_size=50).run()
    assert (stream.books().recorded, stream.books().dead) == (200, 0)
