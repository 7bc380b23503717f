import pytest
import redis

from worker.books import Outcome
from worker.stream.consumer import EventStream
from worker.stream.keys import GROUP, STREAM


def read_ids(stream: EventStream, payloads: list[bytes], *, consumer: str = "a") -> list[str]:
    stream.ensure_group()
    stream.append(payloads)
    return [entry.id for entry in stream.read_new(consumer, count=len(payloads), block_ms=0).entries]


def test_acknowledged_entries_are_counted_and_leave_the_stream(stream: EventStream, valkey: "redis.Redis") -> None:
    ids = read_ids(stream, [b"1", b"2"])
    assert stream.acknowledge({Outcome.RECORDED: ids}) == 2
    assert valkey.xlen(STREAM) == 0
    books = stream.books()
    assert (books.recorded, books.pending, books.waiting, books.balanced) == (2, 0, 0, True)


def test_acknowledging_no_entries_returns_zero(stream: EventStream) -> None:
    assert stream.acknowledge({}) == 0
    assert stream.acknowledge({Outcome.DEAD: []}) == 0


def test_acknowledging_twice_counts_once(stream: EventStream) -> None:
    ids = read_ids(stream, [b"1", b"2"])
    assert stream.acknowledge({Outcome.RECORDED: ids}) == 2
    assert stream.acknowledge({Outcome.RECORDED: ids}) == 0
    assert stream.acknowledge({Outcome.DUPLICATE: ids}) == 0
    assert stream.books().recorded == 2
    assert stream.books().balanced


def test_an_entry_that_two_consumers_hold_counts_once(stream: EventStream) -> None:
    """The first one was taken for dead, and wakes up when the second has done its work (F21)."""
    ids = read_ids(stream, [b"1"], consumer="sleeper")
    stream.claim_abandoned("heir", count=9, idle_ms=0)
    assert stream.acknowledge({Outcome.RECORDED: ids}) == 1
    assert stream.acknowledge({Outcome.DUPLICATE: ids}) == 0
    books = stream.books()
    assert (books.recorded, books.duplicate, books.balanced) == (1, 0, True)


def test_an_entry_of_a_destroyed_group_stays_for_the_next_reader(stream: EventStream, valkey: "redis.Redis") -> None:
    ids = read_ids(stream, [b"1"])
    valkey.xgroup_destroy(STREAM, GROUP)
    stream.ensure_group()
    assert stream.acknowledge({Outcome.RECORDED: ids}) == 0
    assert [entry.payload for entry in stream.read_new("a", count=9, block_ms=0).entries] == [b"1"]
    assert stream.books().balanced


def test_an_entry_that_was_never_read_is_not_acknowledged(stream: EventStream) -> None:
    stream.ensure_group()
    ids = stream.append([b"1"])
    assert stream.acknowledge({Outcome.RECORDED: ids}) == 0
    assert stream.books().waiting == 1


def test_acknowledging_without_a_stream_returns_zero(stream: EventStream) -> None:
    assert stream.acknowledge({Outcome.RECORDED: ["1-1"]}) == 0
    assert stream.books().recorded == 0


@pytest.mark.parametrize("number", [4000, 4001, 10_000])
def test_batches_larger_than_the_lua_stack_are_acknowledged(stream: EventStream, number: int) -> None:
    ids = read_ids(stream, [b"x"] * number)
    half = number // 2
    assert stream.acknowledge({Outcome.RECORDED: ids[:half], Outcome.DUPLICATE: ids[half:]}) == number
    books = stream.books()
    assert (books.recorded, books.duplicate, books.waiting) == (half, number - half, 0)
    assert books.balanced


def test_the_script_survives_a_redis_that_has_forgotten_it(stream: EventStream, valkey: "redis.Redis") -> None:
    first, second = read_ids(stream, [b"1", b"2"])
    stream.acknowledge({Outcome.RECORDED: [first]})
    valkey.script_flush()
    assert stream.acknowledge({Outcome.RECORDED: [second]}) == 1
