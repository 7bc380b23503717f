"""While Redis is unreachable or loses replies, the client neither blocks the player nor loses an event."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.clients import (
    ALL,
    KINDS,
    SYNC,
    THREADED,
    TIMEOUT_S,
    UNREACHABLE,
    ErrorRecorder,
    opened_client,
    publish_value,
    published_values,
)
from tests.support.processes import eventually
from tests.support.proxy import Proxy
from worker.client import Client
from worker.errors import EventDroppedError, StreamUnavailableError
from worker.stream.keys import FIELD, STREAM

SONG = {"artist": "Tool", "title": "Parabola"}


def url_of(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


@SYNC
def test_an_unreachable_redis_raises_for_a_sync_publisher(kind: str) -> None:
    with opened_client(kind, UNREACHABLE, max_waiting=0) as client, pytest.raises(StreamUnavailableError):
        client.play(user="ada", **SONG)


@THREADED
def test_an_unreachable_redis_is_reported_once_and_blocks_none(kind: str, recorder: ErrorRecorder) -> None:
    with opened_client(kind, UNREACHABLE, on_error=recorder, flush_at=1) as client:
        for number in range(20):
            publish_value(client, number)
        assert not client.flush(0.5)
        assert recorder.types == [StreamUnavailableError]
        client.close(timeout_s=0.2)
    assert recorder.types[1:] == [EventDroppedError]
    assert client.counters.dropped == 20


@THREADED
def test_events_published_during_an_outage_arrive_in_order(
    kind: str, outbox: Path | None, proxy: Proxy, valkey: "redis.Redis", recorder: ErrorRecorder
) -> None:
    proxy.refuses = True
    with opened_client(kind, url_of(proxy), outbox=outbox, on_error=recorder) as client:
        for number in range(1_000):
            publish_value(client, number)
        eventually(lambda: recorder.errors != [], within_s=TIMEOUT_S)
        proxy.refuses = False
        assert client.flush(TIMEOUT_S)
        assert client.counters.sent == 1_000
    assert published_values(valkey) == list(range(1_000))


@ALL
def test_after_a_lost_reply_a_batch_is_resent_with_the_same_ids(
    kind: str, outbox: Path | None, proxy: Proxy, valkey: "redis.Redis"
) -> None:
    proxy.lose_reply_to(b"XADD")
    with opened_client(kind, url_of(proxy), outbox=outbox, max_waiting=0) as client:
        try:
            event_id = publish_value(client, 1)
        except StreamUnavailableError:
            assert KINDS[kind]
            assert outbox is None
            event_id = client.preference(user="ada", key="n", value=1, event_id=str(json_ids(valkey)[0]))
        assert client.flush(TIMEOUT_S)
    assert proxy.lost == 1
    assert json_ids(valkey) == [event_id, event_id]


def json_ids(valkey: "redis.Redis") -> list[str]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[FIELD])["id"] for _, fields in entries]


def test_resent_events_are_counted_as_retried(proxy: Proxy) -> None:
    proxy.lose_reply_to(b"XADD")
    with Client(url_of(proxy), on_error=lambda _: None) as client:
        publish_value(client, 1)
        assert client.flush(TIMEOUT_S)
        assert (client.counters.sent, client.counters.retried) == (1, 1)


@THREADED
def test_a_full_queue_drops_new_events_and_reports_their_ids(kind: str, recorder: ErrorRecorder) -> None:
    with opened_client(kind, UNREACHABLE, max_queue=5, on_error=recorder, flush_interval_s=60) as client:
        event_ids = [publish_value(client, number) for number in range(8)]
        assert [error.event_ids for error in recorder.errors if isinstance(error, EventDroppedError)] == [
            [event_id] for event_id in event_ids[5:]
        ]
        assert client.counters.dropped == 3
        client.close(timeout_s=0)
    dropped = [error.event_ids for error in recorder.errors if isinstance(error, EventDroppedError)]
    assert dropped[-1] == event_ids[:5]


def test_a_failing_on_error_hook_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Exception) -> None:
        raise RuntimeError("broken hook")

    with Client(UNREACHABLE, max_queue=1, on_error=broken, flush_interval_s=60) as client:
        publish_value(client, 1)
        publish_value(client, 2)
        client.close(timeout_s=0)
    assert "broken hook" in caplog.text


def test_without_on_error_an_outage_is_logged_without_event_data(caplog: pytest.LogCaptureFixture) -> None:
    with Client(UNREACHABLE, flush_at=1) as client:
        client.play(user="canary", artist="canary", title="canary")
        assert not client.flush(0.3)
        client.close(timeout_s=0.1)
    assert caplog.text.count("out of reach") == 1
    assert "canary" not in caplog.text


def test_many_threads_may_share_a_client(redis_url: str, valkey: "redis.Redis", tmp_path: Path) -> None:
    with Client(redis_url, outbox=tmp_path / "o") as client:

        def player(number: int) -> None:
            for step in range(200):
                publish_value(client, [number, step])

        threads = [threading.Thread(target=player, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(TIMEOUT_S)
    found = published_values(valkey)
    assert len(found) == 1_600
    # Each thread's events keep their order.
    assert all([step for who, step in found if who == number] == list(range(200)) for number in range(8))


def test_a_hanging_redis_keeps_no_event_from_the_disk(proxy: Proxy, tmp_path: Path) -> None:
    proxy.silent = True
    with Client(url_of(proxy), outbox=tmp_path / "o", on_error=lambda _: None) as client:
        for number in range(50):
            publish_value(client, number)
            assert client.flush_outbox(TIMEOUT_S)
        client.close(timeout_s=0)
