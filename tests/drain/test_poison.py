"""An entry that ends its readers is found among its neighbours, and nothing else is ever taken for one (F6)."""

from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest
import redis
from sqlalchemy import Connection, Engine

from tests.support.events import play_payload, play_payloads
from tests.support.processes import count, full
from worker.contract.events import Accepted, SongRef
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError
from worker.failpoints import POISON
from worker.operations.dead_letters import Desk, find
from worker.recorders.batch import record_batch
from worker.recorders.known import Known, Place
from worker.stream.consumer import EventStream
from worker.stream.keys import ATTEMPTS

POISONED = play_payload("poison", source=POISON.decode())


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


def test_a_payload_that_always_fails_is_buried_alone(stream: EventStream, sqlite: Engine) -> None:
    stream.append([*play_payloads(20), POISONED, *play_payloads(20, start=20)])
    # Once when it was new, once with all of its batch, once among fifty, three times alone.
    assert runs_until_dry(Drain(stream, sqlite, "a", record=hit_a_bug), TypeError) == 6
    assert count(sqlite, "play_history") == 40
    assert count(sqlite, "dead_letters", "reason = 'kills_reader'") == 1
    books = stream.books()
    assert (books.recorded, books.dead, books.waiting, books.unaccounted) == (40, 1, 0, 0)


def test_a_payload_that_fails_while_it_is_looked_up_is_buried_alone(stream: EventStream, sqlite: Engine) -> None:
    class Failing(Known):
        def place(self, song: SongRef) -> Place | None:
            if song.title == "poison":
                raise TypeError("a bug in zik")
            return super().place(song)

    stream.append([*play_payloads(20), POISONED])
    assert runs_until_dry(Drain(stream, sqlite, "a", known=Failing()), TypeError) == 6
    assert (count(sqlite, "play_history"), count(sqlite, "dead_letters", "reason = 'kills_reader'")) == (20, 1)


def test_neighbours_are_recorded_before_the_suspect_is_retried(stream: EventStream, sqlite: Engine) -> None:
    stream.append([POISONED, *play_payloads(10)])
    # It comes first, so they wait for its first lone attempt, and for no more.
    for _ in range(5):
        with pytest.raises(TypeError):
            Drain(stream, sqlite, "a", record=hit_a_bug).run()
    assert count(sqlite, "play_history") == 10


def test_a_poisonous_payload_is_kept_and_can_be_retried(stream: EventStream, sqlite: Engine) -> None:
    stream.append([POISONED])
    runs_until_dry(Drain(stream, sqlite, "a", record=hit_a_bug), TypeError)
    (letter,) = find(sqlite)
    assert letter.payload == POISONED
    Desk(sqlite, stream).retry([letter.id], now=datetime.now(UTC))
    assert count(sqlite, "play_history") == 1


def test_repeated_database_outages_bury_nothing(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    def away(*_: Any, **__: Any) -> NoReturn:
        raise DatabaseUnavailableError("away")

    stream.append(play_payloads(5))
    for number in range(12):
        # Each in a process of its own, which remembers nothing.
        with pytest.raises(DatabaseUnavailableError):
            Drain(stream, sqlite, "a", record=away).run()
        assert valkey.exists(ATTEMPTS) == 0, number
    Drain(stream, sqlite, "a").run()
    assert (stream.books().recorded, stream.books().dead) == (5, 0)


def test_a_survived_attempt_is_cleared(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    stream.append(play_payloads(3))
    stream.ensure_group()
    stream.read_new("a", count=3, block_ms=0)
    Drain(stream, sqlite, "a").run()
    assert stream.books().recorded == 3
    assert valkey.exists(ATTEMPTS) == 0


def test_first_reads_cost_no_extra_command(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    stream.append(play_payloads(30))
    drain = Drain(stream, sqlite, "a", batch_size=10)
    valkey.config_resetstat()
    drain.run()
    commands = valkey.info("commandstats")
    assert commands["cmdstat_xreadgroup"]["calls"] >= 3
    assert [name for name in ("hmget", "hdel", "expire") if f"cmdstat_{name}" in commands] == []


def test_a_full_redis_is_drained_even_after_failed_attempts(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    def meet_a_bug(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError

    stream.append(play_payloads(200))
    with full(valkey):
        for _ in range(3):
            with pytest.raises(AssertionError):
                Drain(stream, sqlite, "a", batch_size=50, record=meet_a_bug).run()
        Drain(stream, sqlite, "a", batch_size=50).run()
    assert (stream.books().recorded, stream.books().dead) == (200, 0)
