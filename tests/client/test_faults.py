"""A Redis that is away, or loses replies; and a client that must neither wait nor lose for it."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.clients import ALL, KEPT_S, KINDS, NOWHERE, SYNC, THREADED, Heard, opened, say, values
from tests.support.processes import eventually
from tests.support.proxy import Proxy
from worker.client import Client
from worker.errors import EventDroppedError, StreamUnavailableError
from worker.stream.keys import FIELD, STREAM

SONG = {"artist": "Tool", "title": "Parabola"}


def url_of(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


@SYNC
def test_a_redis_that_is_away_is_told_to_a_sync_publisher(kind: str) -> None:
    with opened(kind, NOWHERE, max_waiting=0) as client, pytest.raises(StreamUnavailableError):
        client.play(user="ada", **SONG)


@THREADED
def test_nobody_waits_for_a_redis_that_is_away_and_on_error_hears_of_it_once(kind: str, heard: Heard) -> None:
    with opened(kind, NOWHERE, on_error=heard, flush_at=1) as client:
        for number in range(20):
            say(client, number)
        assert not client.flush(0.5)
        assert heard.kinds == [StreamUnavailableError]
        client.close(timeout_s=0.2)
    assert heard.kinds[1:] == [EventDroppedError]
    assert client.counters.dropped == 20


@THREADED
def test_what_was_said_while_redis_was_away_arrives_in_order(
    kind: str, outbox: Path | None, proxy: Proxy, valkey: "redis.Redis", heard: Heard
) -> None:
    proxy.refuses = True
    with opened(kind, url_of(proxy), outbox=outbox, on_error=heard) as client:
        for number in range(1_000):
            say(client, number)
        eventually(lambda: heard.errors != [], within_s=KEPT_S)
        proxy.refuses = False
        assert client.flush(KEPT_S)
        assert client.counters.sent == 1_000
    assert values(valkey) == list(range(1_000))


@ALL
def test_a_batch_whose_reply_was_lost_is_sent_again_with_the_same_ids(
    kind: str, outbox: Path | None, proxy: Proxy, valkey: "redis.Redis"
) -> None:
    proxy.lose_reply_to(b"XADD")
    with opened(kind, url_of(proxy), outbox=outbox, max_waiting=0) as client:
        try:
            told = say(client, 1)
        except StreamUnavailableError:
            assert KINDS[kind]
            assert outbox is None
            told = client.preference(user="ada", key="n", value=1, event_id=str(json_ids(valkey)[0]))
        assert client.flush(KEPT_S)
    assert proxy.lost == 1
    assert json_ids(valkey) == [told, told]


def json_ids(valkey: "redis.Redis") -> list[str]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[FIELD])["id"] for _, fields in entries]


def test_what_was_sent_again_is_counted(proxy: Proxy) -> None:
    proxy.lose_reply_to(b"XADD")
    with Client(url_of(proxy), on_error=lambda _: None) as client:
        say(client, 1)
        assert client.flush(KEPT_S)
        assert (client.counters.sent, client.counters.retried) == (1, 1)


@THREADED
def test_a_full_queue_takes_no_more_and_says_which_event_it_did_not_take(kind: str, heard: Heard) -> None:
    with opened(kind, NOWHERE, max_queue=5, on_error=heard, flush_interval_s=60) as client:
        told = [say(client, number) for number in range(8)]
        assert [error.event_ids for error in heard.errors if isinstance(error, EventDroppedError)] == [
            [event_id] for event_id in told[5:]
        ]
        assert client.counters.dropped == 3
        client.close(timeout_s=0)
    dropped = [error.event_ids for error in heard.errors if isinstance(error, EventDroppedError)]
    assert dropped[-1] == told[:5]


def test_an_on_error_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Exception) -> None:
        raise RuntimeError("broken hook")

    with Client(NOWHERE, max_queue=1, on_error=broken, flush_interval_s=60) as client:
        say(client, 1)
        say(client, 2)
        client.close(timeout_s=0)
    assert "broken hook" in caplog.text


def test_without_on_error_the_log_tells_and_no_listening_data_with_it(caplog: pytest.LogCaptureFixture) -> None:
    with Client(NOWHERE, flush_at=1) as client:
        client.play(user="canary", artist="canary", title="canary")
        assert not client.flush(0.3)
        client.close(timeout_s=0.1)
    assert caplog.text.count("out of reach") == 1
    assert "canary" not in caplog.text


def test_many_threads_may_share_a_client(redis_url: str, valkey: "redis.Redis", tmp_path: Path) -> None:
    with Client(redis_url, outbox=tmp_path / "o") as client:

        def player(number: int) -> None:
            for step in range(200):
                say(client, [number, step])

        threads = [threading.Thread(target=player, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(KEPT_S)
    found = values(valkey)
    assert len(found) == 1_600
    # Each thread's own order is kept.
    assert all([step for who, step in found if who == number] == list(range(200)) for number in range(8))


def test_a_hanging_redis_keeps_no_event_from_the_disk(proxy: Proxy, tmp_path: Path) -> None:
    proxy.silent = True
    with Client(url_of(proxy), outbox=tmp_path / "o", on_error=lambda _: None) as client:
        for number in range(50):
            say(client, number)
            assert client.flush_outbox(KEPT_S)
        client.close(timeout_s=0)
