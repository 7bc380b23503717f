"""A Redis that is full, or should not be filled: events wait at the client."""

from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.clients import KEPT_S, SYNC, THREADED, Heard, opened, say, taken, values
from tests.support.events import preference
from tests.support.processes import eventually, full
from worker.client import Client
from worker.errors import StreamFullError
from worker.stream.keys import STREAM

SONG = {"artist": "Tool", "title": "Parabola"}


@SYNC
def test_a_full_redis_is_told_to_a_sync_publisher(kind: str, redis_url: str, valkey: "redis.Redis") -> None:
    with opened(kind, redis_url) as client:
        with full(valkey), pytest.raises(StreamFullError, match="maxmemory"):
            client.play(user="ada", artist="a secret band", title="Parabola")
        client.play(user="ada", **SONG)
    assert valkey.xlen(STREAM) == 1


@THREADED
def test_events_wait_at_the_client_while_redis_is_full(
    kind: str, redis_url: str, valkey: "redis.Redis", heard: Heard
) -> None:
    with opened(kind, redis_url, on_error=heard, flush_at=1) as client:
        with full(valkey):
            say(client, 1)
            assert not client.flush(0.5)
            assert heard.kinds == [StreamFullError]
        assert client.flush(KEPT_S)
    assert values(valkey) == [1]


@SYNC
def test_above_max_waiting_a_sync_publisher_is_told_and_redis_is_not_filled(
    kind: str, redis_url: str, valkey: "redis.Redis"
) -> None:
    with opened(kind, redis_url, max_waiting=3) as client:
        for number in range(3):
            say(client, number)
        with pytest.raises(StreamFullError, match="3 events wait for workers, of 3 that may"):
            say(client, 3)
        valkey.xtrim(STREAM, maxlen=2, approximate=False)
        say(client, 4)
    assert values(valkey) == [1, 2, 4]


def test_a_new_client_asks_before_its_first_event_whether_there_is_room(
    redis_url: str, valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIK_MAX_WAITING", "1")
    for number in range(3):
        with Client(redis_url, sync=True) as client:
            if number:
                with pytest.raises(StreamFullError):
                    say(client, number)
            else:
                say(client, number)
    assert values(valkey) == [0]


@THREADED
def test_above_max_waiting_events_stay_at_the_client_until_workers_have_caught_up(
    kind: str, redis_url: str, valkey: "redis.Redis", tmp_path: Path, heard: Heard
) -> None:
    with opened(kind, redis_url, outbox=tmp_path / "o", max_waiting=600, on_error=heard, flush_interval_s=0) as client:
        client.publish_many(preference(value=number) for number in range(5_000))
        eventually(lambda: heard.kinds == [StreamFullError], within_s=KEPT_S)
        # Beyond the limit by less than a batch.
        assert 600 <= valkey.xlen(STREAM) < 600 + 500
        assert client.flush_outbox(KEPT_S)
        arrived: list[Any] = []
        while not client.flush(0.05):
            arrived += taken(valkey)
        arrived += taken(valkey)
    assert arrived == list(range(5_000))


def test_room_is_asked_for_in_the_round_trip_of_the_batch(redis_url: str, valkey: "redis.Redis") -> None:
    with Client(redis_url, sync=True) as client:
        say(client, 0)
        before = valkey.info("commandstats")["cmdstat_xlen"]["calls"]
        client.publish_many(preference(value=number) for number in range(1_500))
        assert valkey.info("commandstats")["cmdstat_xlen"]["calls"] - before == 3
