"""A Redis that is away, full, not durable or guarded; and a client that must neither wait nor lose for it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.clients import KINDS, opened
from tests.reliability.proxy import Proxy, proxied
from tests.reliability.servers import own_valkey
from tests.workers import eventually, full
from worker.client import Client
from worker.errors import (
    EventDroppedError,
    NotDurableError,
    StreamFullError,
    StreamUnavailableError,
)
from worker.keys import FIELD, STREAM

NOWHERE = "redis://127.0.0.1:1/0"
SONG = {"artist": "Tool", "title": "Parabola"}
KEPT_S = 30.0

THREADED = pytest.mark.parametrize("kind", [kind for kind, sync in KINDS.items() if not sync])
SYNC = pytest.mark.parametrize("kind", [kind for kind, sync in KINDS.items() if sync])
ALL = pytest.mark.parametrize("kind", KINDS)


class Heard:
    """An `on_error` that remembers."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __call__(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def kinds(self) -> list[type[Exception]]:
        return [type(error) for error in self.errors]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with proxied(("127.0.0.1", int(redis_url.split(":")[2].removesuffix("/0")))) as it:
        yield it


@pytest.fixture(params=["in memory", "outbox"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "plays.outbox" if request.param == "outbox" else None


def url_of(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


def values(valkey: "redis.Redis") -> list[Any]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def taken(valkey: "redis.Redis") -> list[Any]:
    """As workers do: what is read is gone."""
    transaction = valkey.pipeline(transaction=True)
    transaction.xrange(STREAM)
    transaction.delete(STREAM)
    entries, _ = transaction.execute()
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def say(client: Any, value: object) -> str:
    told: str = client.preference(user="ada", key="n", value=value)
    return told


# --- away ----------------------------------------------------------------------------------------


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


# --- full ----------------------------------------------------------------------------------------


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
        client.publish_many(
            {"type": "preference", "time": "2021-04-22T05:40:53Z", "user": "ada", "key": "n", "value": number}
            for number in range(5_000)
        )
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
        events = [
            {"type": "preference", "time": "2021-04-22T05:40:53Z", "user": "ada", "key": "n", "value": number}
            for number in range(1_500)
        ]
        client.publish_many(events)
        assert valkey.info("commandstats")["cmdstat_xlen"]["calls"] - before == 3


# --- durable -------------------------------------------------------------------------------------


@ALL
def test_a_durable_event_is_on_redis_disk_when_it_is_called_sent(kind: str, tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey, opened(kind, valkey.url, durable=True) as client:
        say(client, 1)
        assert client.flush(KEPT_S)
        valkey.kill()
        valkey.start()
        with valkey.client() as looking:
            assert values(looking) == [1]


def test_each_durable_batch_waits_for_the_disk(tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey, valkey.client() as looking:
        with Client(valkey.url, durable=True, sync=True) as client:
            say(client, 1)
        assert looking.info("commandstats")["cmdstat_waitaof"]["calls"] == 1


def test_durable_is_refused_where_redis_keeps_no_append_only_file(redis_url: str) -> None:
    with Client(redis_url, durable=True, sync=True) as client, pytest.raises(NotDurableError, match="appendonly yes"):
        say(client, 1)


def test_durable_is_refused_by_a_server_without_waitaof(tmp_path: Path) -> None:
    with own_valkey(tmp_path, more='rename-command WAITAOF ""') as valkey:
        client = Client(valkey.url, durable=True, sync=True)
        with client, pytest.raises(NotDurableError, match=r"7\.2"):
            say(client, 1)


@THREADED
def test_a_client_that_cannot_be_durable_keeps_the_event_and_says_so(kind: str, redis_url: str, heard: Heard) -> None:
    with opened(kind, redis_url, durable=True, on_error=heard, flush_at=1) as client:
        say(client, 1)
        assert not client.flush(0.5)
        assert heard.kinds == [NotDurableError]
        assert client.counters.sent == 0
        client.close(timeout_s=0)


# --- threads -------------------------------------------------------------------------------------


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
