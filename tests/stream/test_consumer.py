import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import redis

from tests.support.processes import full
from worker.books import Books, Outcome
from worker.errors import StreamFullError, StreamMisusedError, StreamUnavailableError
from worker.stream.consumer import EventStream
from worker.stream.entries import Entry
from worker.stream.keys import FIELD, GROUP, STREAM

COMMANDS: list[Callable[[EventStream], object]] = [
    lambda stream: stream.append([b"x"]),
    lambda stream: stream.ensure_group(),
    lambda stream: stream.read_pending("a", count=1),
    lambda stream: stream.read_new("a", count=1, block_ms=0),
    lambda stream: stream.claim_abandoned("a", count=1, idle_ms=0),
    lambda stream: stream.acknowledge({Outcome.DEAD: ["1-1"]}),
    lambda stream: stream.forget_vanished(["1-1"]),
    lambda stream: stream.take_over("a", dead="b", count=1),
    lambda stream: stream.retire("a"),
    lambda stream: stream.books(),
    lambda stream: stream.consumers(),
]


def payloads(entries: list[Entry]) -> list[bytes | None]:
    return [entry.payload for entry in entries]


def read_all(stream: EventStream, consumer: str = "a") -> list[Entry]:
    return stream.read_new(consumer, count=100, block_ms=0).entries


@pytest.fixture(params=["protocol=2", "protocol=3"])
def spoken(request: pytest.FixtureRequest, redis_url: str) -> Iterator[EventStream]:
    """A stream whose client speaks one or the other version of Redis's protocol."""
    stream = EventStream.at(f"{redis_url}?{request.param}")
    yield stream
    stream.close()


def test_entries_come_in_the_order_in_which_they_were_appended(spoken: EventStream) -> None:
    spoken.ensure_group()
    ids = spoken.append([b"1", b"2", b"3"])
    assert read_all(spoken) == [Entry(ids[0], b"1"), Entry(ids[1], b"2"), Entry(ids[2], b"3")]


def test_a_read_returns_at_most_count_and_no_entry_twice(spoken: EventStream) -> None:
    spoken.ensure_group()
    spoken.append([b"1", b"2", b"3"])
    assert payloads(spoken.read_new("a", count=2, block_ms=0).entries) == [b"1", b"2"]
    assert payloads(spoken.read_new("b", count=2, block_ms=0).entries) == [b"3"]


def test_a_read_of_a_dry_stream_is_empty(spoken: EventStream) -> None:
    spoken.ensure_group()
    assert spoken.read_new("a", count=9, block_ms=0) == ([], [])
    assert spoken.read_new("a", count=9, block_ms=1) == ([], [])
    assert spoken.read_pending("a", count=9) == ([], [])


def test_a_waiting_read_returns_as_soon_as_an_event_comes(stream: EventStream, redis_url: str) -> None:
    stream.ensure_group()
    with EventStreamThread(redis_url) as publisher:
        publisher.start()
        assert payloads(stream.read_new("a", count=9, block_ms=4000).entries) == [b"late"]


class EventStreamThread(threading.Thread):
    """Publishes one event a little later."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def run(self) -> None:
        stream = EventStream.at(self._url)
        threading.Event().wait(0.1)
        stream.append([b"late"])
        stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.join(10)


def test_a_read_entry_stays_pending_until_acknowledged(spoken: EventStream) -> None:
    spoken.ensure_group()
    spoken.append([b"1", b"2"])
    first, second = read_all(spoken)
    spoken.acknowledge({Outcome.RECORDED: [first.id]})
    assert spoken.read_pending("a", count=9).entries == [second]
    assert spoken.read_pending("b", count=9).entries == []


def test_pending_entries_can_be_read_on_from_an_id(stream: EventStream) -> None:
    stream.ensure_group()
    stream.append([b"1", b"2", b"3"])
    first, second, third = read_all(stream)
    assert stream.read_pending("a", count=1, after=first.id).entries == [second]
    assert stream.read_pending("a", count=9, after=second.id).entries == [third]


def test_events_published_before_the_group_count(stream: EventStream) -> None:
    stream.append([b"early"])
    stream.ensure_group()
    assert payloads(read_all(stream)) == [b"early"]


def test_making_the_group_again_changes_nothing(stream: EventStream) -> None:
    stream.ensure_group()
    stream.append([b"1"])
    read_all(stream)
    stream.ensure_group()
    assert stream.books().pending == 1
    assert read_all(stream) == []


@pytest.mark.parametrize("read", ["read_pending", "read_new", "claim_abandoned", "take_over"])
def test_every_reader_makes_a_destroyed_group_again(stream: EventStream, valkey: "redis.Redis", read: str) -> None:
    stream.ensure_group()
    stream.append([b"1"])
    read_all(stream)
    valkey.xgroup_destroy(STREAM, GROUP)
    more: dict[str, dict[str, Any]] = {
        "read_new": {"block_ms": 0},
        "claim_abandoned": {"idle_ms": 0},
        "take_over": {"dead": "b"},
    }
    assert getattr(stream, read)("a", count=9, **more.get(read, {})) == ([], [])
    assert payloads(read_all(stream)) == [b"1"]


def test_s4_heirs_at_the_same_moment_take_different_entries(stream: EventStream, redis_url: str) -> None:
    stream.ensure_group()
    ids = stream.append([b"x"] * 1_000)
    stream.read_new("dead", count=1_000, block_ms=0)
    together = threading.Barrier(2)

    def taken(heir: str) -> list[str]:
        with EventStream.opened(redis_url) as own:
            together.wait(30)
            batches = iter(lambda: own.take_over(heir, dead="dead", count=5).entries, [])
            return [entry.id for batch in batches for entry in batch]

    with ThreadPoolExecutor(2) as heirs:
        found = [entry_id for each in heirs.map(taken, ["a", "b"]) for entry_id in each]
    assert sorted(found) == sorted(ids)


def test_an_emptied_redis_is_filled_again(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.ensure_group()
    valkey.flushall()
    read_all(stream)
    stream.append([b"new"])
    assert payloads(read_all(stream)) == [b"new"]
    assert stream.books() == Books(1, 0, 0, 0, 1, 1, stream.books().oldest_waiting_s)


def test_an_entry_without_an_event_field_shows_its_fields(stream: EventStream, valkey: "redis.Redis") -> None:
    valkey.xadd(STREAM, {b"\xff\xfe": b"\x80", "Event": "grün"})
    stream.ensure_group()
    (entry,) = read_all(stream)
    assert entry.payload is None
    assert entry.stray == '{"\\\\xff\\\\xfe": "\\\\x80", "Event": "grün"}'.encode()


def test_further_fields_beside_the_event_are_ignored(stream: EventStream, valkey: "redis.Redis") -> None:
    valkey.xadd(STREAM, {b"\xff": b"\x80", FIELD: b"{}", "trace": "1"})
    stream.ensure_group()
    (entry,) = read_all(stream)
    assert (entry.payload, entry.stray) == (b"{}", b"")


def test_a_deleted_pending_entry_is_reported_as_vanished(spoken: EventStream, valkey: "redis.Redis") -> None:
    spoken.ensure_group()
    gone, left = spoken.append([b"1", b"2"])
    read_all(spoken)
    valkey.xdel(STREAM, gone)
    assert spoken.read_pending("a", count=9) == ([Entry(left, b"2")], [gone])


def test_a_vanished_entry_that_is_forgotten_is_no_longer_pending(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.ensure_group()
    gone, _ = stream.append([b"1", b"2"])
    read_all(stream)
    valkey.xdel(STREAM, gone)
    stream.forget_vanished([gone])
    assert stream.books().pending == 1
    assert stream.books().unaccounted == 1


def test_only_entries_held_for_long_are_claimed(spoken: EventStream) -> None:
    spoken.ensure_group()
    spoken.append([b"1"])
    read_all(spoken, "dead")
    assert spoken.claim_abandoned("heir", count=9, idle_ms=60_000) == ([], [])
    assert payloads(spoken.claim_abandoned("heir", count=9, idle_ms=0).entries) == [b"1"]
    assert spoken.read_pending("dead", count=9).entries == []
    assert payloads(spoken.read_pending("heir", count=9).entries) == [b"1"]


def test_a_claim_names_the_vanished_and_takes_the_rest(spoken: EventStream, valkey: "redis.Redis") -> None:
    spoken.ensure_group()
    gone, left = spoken.append([b"1", b"2"])
    read_all(spoken, "dead")
    valkey.xdel(STREAM, gone)
    assert spoken.claim_abandoned("heir", count=9, idle_ms=0) == ([Entry(left, b"2")], [gone])


@pytest.mark.parametrize("somebody", ["deletes the consumer", "acknowledges by hand"])
def test_an_unrecorded_entry_without_a_consumer_is_given_back(
    stream: EventStream, valkey: "redis.Redis", somebody: str
) -> None:
    stream.ensure_group()
    taken, held, new = stream.append([b"1", b"2", b"3"])
    stream.read_new("robbed", count=1, block_ms=0)
    stream.read_new("holder", count=1, block_ms=0)
    if somebody == "deletes the consumer":
        valkey.xgroup_delconsumer(STREAM, GROUP, "robbed")
    else:
        valkey.xack(STREAM, GROUP, taken)
    assert stream.claim_abandoned("heir", count=9, idle_ms=60_000) == ([], [])
    assert stream.give_back(limit=10) == 1
    assert stream.give_back(limit=10) == 0
    # At once, and nothing of what others hold or nobody has read.
    assert [entry.id for entry in stream.claim_abandoned("heir", count=9, idle_ms=60_000).entries] == [taken]
    assert [entry.id for entry in stream.read_pending("holder", count=9).entries] == [held]
    assert [entry.id for entry in stream.read_new("heir", count=9, block_ms=0).entries] == [new]


def test_give_back_returns_zero_before_any_read(stream: EventStream) -> None:
    assert stream.give_back(limit=10) == 0
    stream.append([b"1"])
    assert stream.give_back(limit=10) == 0


def test_a_consumer_with_pending_entries_is_not_retired(stream: EventStream) -> None:
    stream.ensure_group()
    stream.append([b"1"])
    (entry,) = read_all(stream)
    assert not stream.retire("a")
    assert stream.books().pending == 1
    stream.acknowledge({Outcome.RECORDED: [entry.id]})
    assert stream.retire("a")
    assert stream.consumers() == []


def test_where_there_is_no_group_the_progress_is_retired(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.report("a", {})
    assert stream.retire("a")
    assert stream.last_progress_s() == {}
    assert valkey.exists(STREAM) == 0


def test_thousands_of_entries_are_taken_over_at_once(spoken: EventStream) -> None:
    spoken.ensure_group()
    ids = spoken.append([b"1"] * 10_000)
    spoken.read_new("dead", count=10_000, block_ms=0)
    assert [entry.id for entry in spoken.take_over("a", dead="dead", count=10_000).entries] == ids


def test_the_clock_of_redis_is_this_machines(spoken: EventStream) -> None:
    assert abs(spoken.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_consumers_are_listed_with_their_pending_entries(spoken: EventStream) -> None:
    assert spoken.consumers() == []
    spoken.append([b"1", b"2"])
    assert spoken.consumers() == []
    spoken.ensure_group()
    read_all(spoken, "b")
    read_all(spoken, "a")
    assert [(consumer.name, consumer.pending) for consumer in spoken.consumers()] == [("a", 0), ("b", 2)]
    assert all(0 <= consumer.idle_s < 10 for consumer in spoken.consumers())


def test_the_books_of_an_untouched_redis_are_empty_and_balanced(spoken: EventStream) -> None:
    assert spoken.books() == Books(0, 0, 0, 0, 0, 0, 0.0)
    assert spoken.books().balanced


def test_the_books_follow_each_event_from_waiting_to_its_outcome(stream: EventStream) -> None:
    stream.ensure_group()
    a, b, c, _ = stream.append([b"1", b"2", b"3", b"4"])
    stream.read_new("a", count=3, block_ms=0)
    held = stream.books()
    assert (held.received, held.waiting, held.pending, held.balanced) == (4, 4, 3, True)
    stream.acknowledge({Outcome.RECORDED: [a], Outcome.DUPLICATE: [b], Outcome.DEAD: [c]})
    books = stream.books()
    assert (books.received, books.recorded, books.duplicate, books.dead) == (4, 1, 1, 1)
    assert (books.waiting, books.pending, books.balanced) == (1, 0, True)


@pytest.mark.parametrize("strike", ["xdel", "xtrim"])
def test_entries_deleted_by_hand_are_unaccounted(stream: EventStream, valkey: "redis.Redis", strike: str) -> None:
    first, *_ = stream.append([b"1", b"2", b"3"])
    if strike == "xdel":
        valkey.xdel(STREAM, first)
    else:
        valkey.xtrim(STREAM, maxlen=2, approximate=False)
    books = stream.books()
    assert (books.waiting, books.unaccounted, books.balanced) == (2, 1, False)


def test_the_books_show_how_long_the_oldest_event_waits(stream: EventStream, valkey: "redis.Redis") -> None:
    now_s, _ = valkey.time()
    valkey.xadd(STREAM, {FIELD: b"1"}, id=f"{(now_s - 90) * 1000}-0")
    assert stream.books().oldest_waiting_s == pytest.approx(90, abs=3)


def test_an_amendment_moves_events_within_the_books(stream: EventStream) -> None:
    stream.ensure_group()
    stream.append([b"1", b"2"])
    stream.acknowledge({Outcome.DEAD: [entry.id for entry in read_all(stream)]})
    stream.amend(1, source=Outcome.DEAD, target=Outcome.RECORDED)
    books = stream.books()
    assert (books.recorded, books.dead, books.balanced) == (1, 1, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_that_holds_no_stream_raises_and_is_left_alone(
    stream: EventStream, valkey: "redis.Redis", command: Callable[[EventStream], object]
) -> None:
    valkey.set(STREAM, "an operator's note")
    with pytest.raises(StreamMisusedError, match=r"zik:\{events\} is not a stream: rename it"):
        command(stream)
    assert valkey.get(STREAM) == b"an operator's note"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_error_for_an_unreachable_redis_hides_the_password(
    command: Callable[[EventStream], object],
) -> None:
    stream = EventStream.at("redis://somebody:geheim@127.0.0.1:1/0")
    with pytest.raises(StreamUnavailableError) as caught:
        command(stream)
    assert "geheim" not in f"{caught.value} {caught.value.__cause__}"


def test_a_wrong_password_is_an_outage_and_stays_secret(redis_url: str) -> None:
    stream = EventStream.at(redis_url.replace("redis://", "redis://nobody:geheim@"))
    with pytest.raises(StreamUnavailableError) as caught:
        stream.books()
    assert "geheim" not in f"{caught.value} {caught.value.__cause__}"
    stream.close()


def test_a_read_with_a_lost_reply_is_not_repeated(stream: EventStream, redis_url: str) -> None:
    """Repeated, it would read the next entries, and hide the first ones until somebody restarts."""
    stream.ensure_group()
    stream.append([b"1", b"2"])
    with losing_replies(redis_url, to=b"XREADGROUP") as unlucky_url:
        unlucky = EventStream.at(unlucky_url)
        with pytest.raises(StreamUnavailableError):
            unlucky.read_new("a", count=1, block_ms=0)
        unlucky.close()
    assert stream.books().pending == 1
    assert payloads(stream.read_pending("a", count=9).entries) == [b"1"]


@contextmanager
def losing_replies(url: str, *, to: bytes) -> Iterator[str]:
    """The URL of a way to Redis on which the connection breaks after Redis has obeyed, before its reply arrives."""
    target = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_serve, args=[listener, (target.hostname, target.port), to])
    thread.start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _serve(listener: socket.socket, target: tuple[str, int], to: bytes) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, socket.create_connection(target) as server:
                client.settimeout(2)
                while asked := client.recv(65536):
                    server.sendall(asked)
                    reply = server.recv(65536)
                    if to in asked:
                        break
                    client.sendall(reply)


def test_a_full_redis_refuses_an_event_without_quoting_it(stream: EventStream, valkey: "redis.Redis") -> None:
    with full(valkey):
        assert stream.refuses_writes()
        with pytest.raises(StreamFullError) as caught:
            stream.append([b"a secret song"])
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"
    assert stream.books().received == 0
    assert not stream.refuses_writes()


def test_a_full_redis_can_still_be_read_and_acknowledged(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.append([b"1", b"2", b"3"])
    with full(valkey):
        stream.ensure_group()
        stream.read_new("dead", count=1, block_ms=0)
        read_all(stream)
        assert len(stream.take_over("a", dead="dead", count=9).entries) == 1
        stream.claim_abandoned("a", count=9, idle_ms=0)
        a, b, c = (entry.id for entry in stream.read_pending("a", count=9).entries)
        assert stream.acknowledge({Outcome.RECORDED: [a], Outcome.DUPLICATE: [b], Outcome.DEAD: [c]}) == 3
        stream.amend(1, source=Outcome.DEAD, target=Outcome.RECORDED)
        assert stream.retire("dead")
        books = stream.books()
    assert (books.received, books.recorded, books.duplicate, books.dead, books.waiting) == (3, 2, 1, 0, 0)


def test_an_entry_with_a_further_field_can_be_claimed(stream: EventStream, valkey: "redis.Redis") -> None:
    stream.ensure_group()
    valkey.xadd("zik:{events}", {"event": "1", "further": "2"})
    stream.read_new("dead", count=10, block_ms=0)
    claimed = stream.claim_abandoned("alive", count=10, idle_ms=0)
    assert [entry.payload for entry in claimed.entries] == [b"1"]


def test_fewer_entries_are_read_at_once_when_they_are_large(stream: EventStream) -> None:
    stream.append([b"x" * 300] * 100)
    assert stream.light_enough(2_000) == 2_000
    stream.append([b"x" * 2**20] * 20)
    assert stream.light_enough(2_000) < 50
