"""While Redis is full, or holds `max_waiting` entries, events wait at the client."""

from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.clients import (
    SYNC,
    THREADED,
    TIMEOUT_S,
    ErrorRecorder,
    opened_client,
    publish_value,
    published_values,
    take_values,
)
from tests.support.events import preference
from tests.support.processes import eventually, full
from worker.client import Client
from worker.errors import StreamFullError
from worker.stream.keys import STREAM

SONG = {"artist": "Tool", "title": "Parabola"}


@SYNC
def test_a_full_redis_raises_for_a_sync_publisher(kind: str, redis_url: str, valkey: "redis.Redis") -> None:
    with opened_client(kind, redis_url) as client:
        with full(valkey), pytest.raises(StreamFullError, match="maxmemory"):
            client.play(user="ada", artist="a secret band", title="Parabola")
        client.play(user="ada", **SONG)
    assert valkey.xlen(STREAM) == 1


@THREADED
def test_events_wait_at_the_client_while_redis_is_full(
    kind: str, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder
) -> None:
    with opened_client(kind, redis_url, on_error=recorder, flush_at=1) as client:
        with full(valkey):
            publish_value(client, 1)
            assert not client.flush(0.5)
            assert recorder.types == [StreamFullError]
        assert client.flush(TIMEOUT_S)
    assert published_values(valkey) == [1]


@SYNC
def test_above_max_waiting_a_sync_call_raises_and_sends_nothing(
    kind: str, redis_url: str, valkey: "redis.Redis"
) -> None:
    with opened_client(kind, redis_url, max_waiting=3) as client:
        for number in range(3):
            publish_value(client, number)
        with pytest.raises(StreamFullError, match="3 events wait for workers, the limit is 3"):
            publish_value(client, 3)
        valkey.xtrim(STREAM, maxlen=2, approximate=False)
        publish_value(client, 4)
    assert published_values(valkey) == [1, 2, 4]


def test_a_new_client_checks_backpressure_before_its_first_event(
    redis_url: str, valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIK_MAX_WAITING", "1")
    for number in range(3):
        with Client(redis_url, sync=True) as client:
            if number:
                with pytest.raises(StreamFullError):
                    publish_value(client, number)
            else:
                publish_value(client, number)
    assert published_values(valkey) == [0]


@THREADED
def test_above_max_waiting_events_wait_at_the_client(
    kind: str, redis_url: str, valkey: "redis.Redis", tmp_path: Path, recorder: ErrorRecorder
) -> None:
    with opened_client(
        kind, redis_url, outbox=tmp_path / "o", max_waiting=600, on_error=recorder, flush_interval_s=0
    ) as client:
        client.publish_many(preference(value=number) for number in range(5_000))
        eventually(lambda: recorder.types == [StreamFullError], within_s=TIMEOUT_S)
        # Above the limit by less than a batch.
        assert 600 <= valkey.xlen(STREAM) < 600 + 500
        assert client.flush_outbox(TIMEOUT_S)
        arrived: list[Any] = []
        while not client.flush(0.05):
            arrived += take_values(valkey)
        arrived += take_values(valkey)
    assert arrived == list(range(5_000))


def test_backpressure_is_checked_once_per_batch(redis_url: str, valkey: "redis.Redis") -> None:
    with Client(redis_url, sync=True) as client:
        publish_value(client, 0)
        before = valkey.info("commandstats")["cmdstat_xlen"]["calls"]
        client.publish_many(preference(value=number) for number in range(1_500))
        assert valkey.info("commandstats")["cmdstat_xlen"]["calls"] - before == 3
