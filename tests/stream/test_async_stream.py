"""The stream as the HTTP door sees it: what it accepts is in Redis, and what its processes share is kept there."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import date
from typing import Any, Final, TypeVar

import pytest
import redis

from tests.support.door import announce_song
from tests.support.events import play_payload, play_payloads
from tests.support.processes import eventually, full
from tests.support.proxy import Proxy
from worker.errors import StreamFullError, StreamMisusedError, StreamUnavailableError
from worker.stream.async_stream import AsyncStream
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, NOW_PLAYING, STREAM, TRACE_FIELD, now_playing_key
from worker.stream.multiplexer import Multiplexer

TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TODAY: Final = date(2026, 11, 23)

Result = TypeVar("Result")


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(scenario, 60))


def entries(valkey: "redis.Redis") -> list[tuple[str, dict[bytes, bytes]]]:
    found: Any = valkey.xrange(STREAM)
    return [(entry_id.decode(), fields) for entry_id, fields in found]


# --- events --------------------------------------------------------------------------------------


def test_events_are_added_in_order_and_as_they_are(redis_url: str, valkey: "redis.Redis") -> None:
    payloads = [*play_payloads(300), b"", b"\r\n$3\r\n", "ü".encode(), b"x" * 16_384]

    async def scenario() -> list[str]:
        stream = AsyncStream(redis_url)
        accepted = await stream.append(payloads)
        assert await stream.append([]) == ([], None)
        stream.close()
        return accepted.entry_ids

    ids = run(scenario())
    assert entries(valkey) == [(each, {FIELD: payload}) for each, payload in zip(ids, payloads, strict=True)]


def test_each_of_ten_thousand_concurrent_requests_gets_the_ids_of_its_own_events(
    redis_url: str, valkey: "redis.Redis"
) -> None:
    async def scenario() -> list[list[str]]:
        stream = AsyncStream(redis_url, max_waiting=100_000)
        requests = [stream.append([b"%d" % number, b"%d again" % number]) for number in range(10_000)]
        accepted = [each.entry_ids for each in await asyncio.gather(*requests)]
        stream.close()
        return accepted

    accepted = run(scenario())
    there = {entry_id: fields[FIELD] for entry_id, fields in entries(valkey)}
    for number, ids in enumerate(accepted):
        assert [there[entry_id] for entry_id in ids] == [b"%d" % number, b"%d again" % number]


def test_a_full_redis_in_the_middle_of_a_request_refuses_it(proxy: Proxy, valkey: "redis.Redis") -> None:
    """Some of its events are there, and the caller learns that not all are."""

    async def scenario() -> None:
        stream = AsyncStream(f"redis://127.0.0.1:{proxy.port}/0")
        await stream.append([play_payload()])
        used = valkey.info()["used_memory"]
        with full(valkey, maxmemory=used + 2_000_000), pytest.raises(StreamFullError, match="maxmemory") as caught:
            await stream.append([play_payload("a secret song", context={"x": "y" * 4_000})] * 2_000)
        assert "secret" not in f"{caught.value!r} {caught.value.__cause__}"
        assert 0 < valkey.xlen(STREAM) < 2_000
        assert len((await stream.append([play_payload()])).entry_ids) == 1
        stream.close()

    run(scenario())


def test_nothing_is_added_over_the_limit_until_workers_have_drained_the_stream(
    redis_url: str, valkey: "redis.Redis"
) -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url, max_waiting=10)
        await stream.append(play_payloads(9))
        await stream.append(play_payloads(2))
        for _ in range(2):
            with pytest.raises(StreamFullError, match="11 events wait for workers, the limit is 10"):
                await stream.append([play_payload()])
        assert valkey.xlen(STREAM) == 11
        valkey.xtrim(STREAM, maxlen=3, approximate=False)
        await stream.append([play_payload()])
        stream.close()

    run(scenario())


def test_the_limit_counts_what_was_there_before_the_first_request(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        for _ in range(10):
            valkey.xadd(STREAM, {FIELD: b"{}"})
        stream = AsyncStream(redis_url, max_waiting=10)
        with pytest.raises(StreamFullError):
            await stream.append([play_payload()])
        stream.close()

    run(scenario())


def test_a_check_says_before_any_request_that_nothing_can_be_added(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url, max_waiting=2)
        await stream.check()
        with full(valkey), pytest.raises(StreamFullError, match="maxmemory"):
            await stream.check()
        await stream.append(play_payloads(2))
        with pytest.raises(StreamFullError, match="the limit is 2"):
            await stream.check()
        stream.close()

    run(scenario())


def test_a_key_that_is_no_stream_is_named(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        valkey.set(STREAM, "something else")
        stream = AsyncStream(redis_url)
        with pytest.raises(StreamMisusedError, match="is not a stream: rename it"):
            await stream.append(play_payloads(3))
        stream.close()

    run(scenario())


def test_a_request_whose_reply_is_lost_is_not_accepted(proxy: Proxy) -> None:
    async def scenario() -> None:
        stream = AsyncStream(Multiplexer(f"redis://127.0.0.1:{proxy.port}/0"))
        proxy.lose_reply_to(b"XADD")
        with pytest.raises(StreamUnavailableError):
            await stream.append(play_payloads(3))
        stream.close()

    run(scenario())


# --- the trace of a request ----------------------------------------------------------------------


def test_an_entry_keeps_the_trace_it_came_with(redis_url: str, stream: EventStream) -> None:
    async def scenario() -> None:
        door = AsyncStream(redis_url)
        await door.append([b"traced", b"traced too"], traceparent=TRACE)
        await door.append([b"plain"])
        door.close()

    run(scenario())
    stream.ensure_group()
    read = stream.read_new("a", count=10, block_ms=0).entries
    assert [(entry.payload, entry.traceparent) for entry in read] == [
        (b"traced", TRACE.encode()),
        (b"traced too", TRACE.encode()),
        (b"plain", b""),
    ]
    assert {entry.stray for entry in read} == {b""}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        TRACE + "\n",
        TRACE.upper(),
        TRACE.replace("00-", "ff-"),
        "00-" + "0" * 32 + TRACE[35:],
        TRACE + "x" * 9_999,
    ],
)
def test_a_malformed_trace_is_left_out(redis_url: str, valkey: "redis.Redis", header: str) -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url)
        await stream.append([b"{}"], traceparent=header)
        stream.close()

    run(scenario())
    assert [fields for _, fields in entries(valkey)] == [{FIELD: b"{}"}]


def test_a_trace_is_found_among_other_fields_in_any_order(stream: EventStream, valkey: "redis.Redis") -> None:
    valkey.xadd(STREAM, {TRACE_FIELD: TRACE, "x": "y", FIELD: b"{}"})
    valkey.xadd(STREAM, {TRACE_FIELD: TRACE})
    stream.ensure_group()
    first, second = stream.read_new("a", count=10, block_ms=0).entries
    assert (first.payload, first.traceparent) == (b"{}", TRACE.encode())
    assert (second.payload, json.loads(second.stray)) == (None, {"traceparent": TRACE})


# --- what plays now ------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["ada", "Zoë", "a b:{c}*\r\n", "\U0001f3b5" * 64])
def test_what_a_user_plays_now_is_kept_until_it_expires(redis_url: str, valkey: "redis.Redis", user: str) -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url)
        assert await stream.now_playing(user) is None
        await stream.set_now_playing(user, b'{"song":1}', ttl_s=183)
        assert await stream.now_playing(user) == b'{"song":1}'
        assert 180 <= valkey.ttl(now_playing_key(user)) <= 183
        assert await stream.now_playing(user + "x") is None
        await stream.clear_now_playing(user)
        assert await stream.now_playing(user) is None
        assert valkey.keys() == []
        stream.close()

    run(scenario())


def test_a_request_learns_what_its_user_plays_in_the_same_round_trip(redis_url: str) -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url, max_waiting=100)
        assert (await stream.append([b"{}"], now_playing_of="ada")).now_playing is None
        await stream.set_now_playing("ada", b"1", ttl_s=60)
        accepted = await stream.append([b"{}", b"{}"], now_playing_of="ada")
        assert (len(accepted.entry_ids), accepted.now_playing) == (2, b"1")
        assert (await stream.append([b"{}"])).now_playing is None
        stream.close()

    run(scenario())


def test_a_song_announced_meanwhile_is_not_cleared_with_the_one_before(redis_url: str) -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url)
        await stream.set_now_playing("ada", b"first", ttl_s=60)
        await stream.set_now_playing("ada", b"second", ttl_s=60)
        await stream.clear_now_playing("ada", only=b"first")
        assert await stream.now_playing("ada") == b"second"
        await stream.clear_now_playing("ada", only=b"second")
        assert await stream.now_playing("ada") is None
        stream.close()

    run(scenario())


def test_an_operator_sees_who_plays_what_now(redis_url: str, stream: EventStream) -> None:
    assert (stream.now_playing(), stream.now_playing_of("ada")) == ({}, None)

    async def scenario() -> None:
        door = AsyncStream(redis_url)
        for user, ttl_s in (("ada", 60), ("Zoë", 600), ("eve", 120), ("bob", 300)):
            await door.set_now_playing(user, user.encode(), ttl_s=ttl_s)
        await door.set_now_playing("ada", b"another", ttl_s=30)
        await door.clear_now_playing("eve")
        door.close()

    run(scenario())
    assert list(stream.now_playing().items()) == [("Zoë", "Zoë".encode()), ("bob", b"bob"), ("ada", b"another")]
    assert list(stream.now_playing(most=2)) == ["Zoë", "bob"]
    assert (stream.now_playing_of("Zoë"), stream.now_playing_of("eve")) == ("Zoë".encode(), None)
    stream.clear_now_playing("Zoë")
    assert list(stream.now_playing()) == ["bob", "ada"]
    assert stream.now_playing_of("Zoë") is None


def test_an_expired_song_leaves_no_name_behind(redis_url: str, stream: EventStream, valkey: "redis.Redis") -> None:
    announce_song(redis_url, "eve", ttl_s=1)
    eventually(lambda: valkey.keys() == [], within_s=10)
    announce_song(redis_url, "ada", ttl_s=600)
    announce_song(redis_url, "eve", ttl_s=1)
    eventually(lambda: list(stream.now_playing()) == ["ada"], within_s=10)
    announce_song(redis_url, "ada", ttl_s=60)
    assert valkey.zrange(NOW_PLAYING, 0, -1) == [b"ada"]
    # A shorter song does not end the list before a longer one.
    assert valkey.ttl(NOW_PLAYING) > 60


# --- counters and short-lived values -------------------------------------------------------------


def test_letters_are_bounded_for_each_token_and_day(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url)
        wanted = [(7, 60), (7, 60), (7, 60), (8, 60)]
        left = [await stream.letters_left(token, wanted=count, day=TODAY, most=100) for token, count in wanted]
        assert left == [60, 40, 0, 60]
        assert await stream.letters_left(7, wanted=1_000, day=date(2026, 11, 24), most=100) == 100
        keys = valkey.keys()
        assert all(86_400 < valkey.ttl(key) <= 2 * 86_400 for key in keys)
        stream.close()

    run(scenario())


def test_a_short_lived_value_is_taken_once(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        stream = AsyncStream(redis_url)
        await stream.put("sign-in", b"state", ttl_s=600)
        assert await stream.get("sign-in") == b"state"
        keys = valkey.keys()
        assert [0 < valkey.ttl(key) <= 600 for key in keys] == [True]
        taken = await asyncio.gather(*[stream.take("sign-in") for _ in range(10)])
        assert sorted(taken, key=bool) == [None] * 9 + [b"state"]
        assert await stream.get("sign-in") is None
        stream.close()

    run(scenario())


# --- measurements --------------------------------------------------------------------------------


def test_measurements_of_the_door_and_of_drains_add_up(redis_url: str, stream: EventStream) -> None:
    async def scenario() -> None:
        door = AsyncStream(redis_url)
        await door.report({"a/b/sum": 2, "a/b/at": 0})
        await door.report({"a/b/sum": 3})
        door.close()

    stream.report("", {"a/b/sum": 1})
    run(scenario())
    assert stream.measures()["a/b/sum"] == 6
    assert stream.measures()["a/b/at"] > 0
    assert stream.last_progress_s() == {}
