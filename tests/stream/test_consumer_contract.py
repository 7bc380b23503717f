"""What a drain relies on, of the stream in memory as of the real one."""

from collections.abc import Callable
from typing import cast

import pytest
import redis

from tests.support.events import play_payloads
from tests.support.stream_in_memory import StreamInMemory
from worker.books import Outcome
from worker.stream.consumer import EventStream
from worker.stream.keys import STREAM

Delete = Callable[[str], object]


@pytest.fixture(params=["in memory", "valkey"])
def backend(request: pytest.FixtureRequest) -> tuple[EventStream, Delete]:
    """A stream, and how anyone else deletes one of its entries."""
    if request.param == "in memory":
        memory = StreamInMemory()
        return cast(EventStream, memory), memory.delete
    valkey: redis.Redis = request.getfixturevalue("valkey")
    return request.getfixturevalue("stream"), lambda entry_id: valkey.xdel(STREAM, entry_id)


@pytest.fixture
def stream(backend: tuple[EventStream, Delete]) -> EventStream:
    stream, _ = backend
    stream.ensure_group()
    return stream


@pytest.fixture
def delete(backend: tuple[EventStream, Delete]) -> Delete:
    return backend[1]


def read(stream: EventStream, consumer: str = "a", *, count: int = 100) -> list[str]:
    return [entry.id for entry in stream.read_new(consumer, count=count, block_ms=0).entries]


def pending(stream: EventStream, consumer: str = "a", *, count: int = 100, after: str = "0") -> list[str]:
    return [entry.id for entry in stream.read_pending(consumer, count=count, after=after).entries]


def test_new_entries_are_read_once_and_in_order(stream: EventStream) -> None:
    payloads = play_payloads(5)
    ids = stream.append(payloads)
    first, rest = (stream.read_new("a", count=count, block_ms=0).entries for count in (2, 100))
    assert [entry.id for entry in (*first, *rest)] == ids
    assert [entry.payload for entry in (*first, *rest)] == payloads
    assert read(stream, "b") == []


def test_unacknowledged_entries_stay_pending_for_their_consumer(stream: EventStream) -> None:
    ids = stream.append(play_payloads(4))
    read(stream)
    assert pending(stream) == pending(stream) == ids
    assert pending(stream, count=3) == ids[:3]
    assert pending(stream, after=ids[1]) == ids[2:]
    assert pending(stream, "b") == []


def test_an_acknowledged_entry_is_gone_and_counts_once(stream: EventStream) -> None:
    first, second = stream.append(play_payloads(2))
    read(stream)
    assert stream.acknowledge({Outcome.RECORDED: [first], Outcome.DEAD: []}) == 1
    assert stream.acknowledge({Outcome.RECORDED: [first]}) == 0
    assert pending(stream) == [second]


def test_an_unread_entry_cannot_be_acknowledged(stream: EventStream) -> None:
    (entry_id,) = stream.append(play_payloads(1))
    assert stream.acknowledge({Outcome.RECORDED: [entry_id]}) == 0
    assert read(stream) == [entry_id]


def test_an_abandoned_entry_changes_hands(stream: EventStream) -> None:
    ids = stream.append(play_payloads(3))
    read(stream)
    claimed = stream.claim_abandoned("b", count=2, idle_ms=0)
    assert [entry.id for entry in claimed.entries] == pending(stream, "b") == ids[:2]
    assert pending(stream) == ids[2:]


def test_an_entry_that_was_just_read_is_not_abandoned(stream: EventStream) -> None:
    ids = stream.append(play_payloads(1))
    read(stream)
    assert not any(stream.claim_abandoned("b", count=10, idle_ms=60_000))
    assert pending(stream) == ids


def test_a_deleted_entry_vanishes_until_it_is_forgotten(stream: EventStream, delete: Delete) -> None:
    gone, kept = stream.append(play_payloads(2))
    read(stream)
    delete(gone)
    batch = stream.read_pending("a", count=10)
    assert ([entry.id for entry in batch.entries], batch.vanished) == ([kept], [gone])
    stream.forget_vanished([gone])
    assert stream.read_pending("a", count=10).vanished == []


def test_a_claim_reports_a_deleted_entry_and_forgets_it(stream: EventStream, delete: Delete) -> None:
    gone, kept = stream.append(play_payloads(2))
    read(stream)
    delete(gone)
    claimed = stream.claim_abandoned("b", count=10, idle_ms=0)
    assert ([entry.id for entry in claimed.entries], claimed.vanished) == ([kept], [gone])
    assert not any(stream.read_pending("a", count=10))


def test_attempts_are_counted_until_they_end(stream: EventStream) -> None:
    stream.begin_attempt(["1-0", "2-0"])
    stream.begin_attempt(["1-0"])
    assert stream.attempts(["1-0", "2-0", "3-0"]) == [2, 1, 0]
    stream.end_attempt(["1-0"])
    assert stream.attempts(["1-0", "2-0"]) == [0, 1]


def test_the_entries_of_a_dead_consumer_change_hands_at_once(stream: EventStream) -> None:
    ids = stream.append(play_payloads(4))
    read(stream, "dead", count=3)
    read(stream, "alive")
    taken = stream.take_over("b", dead="dead", count=2)
    assert [entry.id for entry in taken.entries] == pending(stream, "b") == ids[:2]
    assert not stream.retire("dead")
    assert [entry.id for entry in stream.take_over("c", dead="dead", count=2).entries] == ids[2:3]
    assert stream.take_over("c", dead="dead", count=2) == ([], [])
    assert stream.retire("dead")
    assert pending(stream, "alive") == ids[3:]


def test_a_takeover_reports_a_deleted_entry_and_forgets_it(stream: EventStream, delete: Delete) -> None:
    gone, kept = stream.append(play_payloads(2))
    read(stream, "dead")
    delete(gone)
    taken = stream.take_over("b", dead="dead", count=10)
    assert ([entry.id for entry in taken.entries], taken.vanished) == ([kept], [gone])
    assert not any(stream.take_over("b", dead="dead", count=10))
    assert stream.read_pending("b", count=10).vanished == []
