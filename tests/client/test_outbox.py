"""Days offline: what an outbox must keep, in which order, and what it does when it is full."""

import sqlite3
from pathlib import Path

import pytest
import redis

from tests.support.clients import KEPT_S, NOWHERE, quiet, say, values
from tests.support.processes import eventually
from worker.client import Client
from worker.client.background import Background
from worker.client.outbox import Outbox
from worker.errors import EventDroppedError, OutboxError

# --- offline -------------------------------------------------------------------------------------


def test_a_run_without_redis_loses_nothing_keeps_the_order_and_its_memory_is_bounded(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    most = 500
    with Client(NOWHERE, outbox=path, max_queue=most, on_error=quiet) as offline:
        assert isinstance(offline._delivery, Background)
        for number in range(20_000):
            say(offline, number)
            if number % 100 == 0:
                assert offline._delivery._memory.count() <= most
        assert offline.flush_outbox(KEPT_S)
        assert offline.counters.dropped == 0
        offline.close(timeout_s=0.5)
    with Client(redis_url, outbox=path) as online:
        assert online.flush(2 * KEPT_S)
    assert values(valkey) == list(range(20_000))


@pytest.mark.parametrize("sync", [False, True])
def test_what_an_earlier_run_left_goes_first(path: Path, redis_url: str, valkey: "redis.Redis", *, sync: bool) -> None:
    with Client(NOWHERE, outbox=path, sync=True, on_error=quiet, max_waiting=0) as offline:
        for number in range(3):
            say(offline, number)
    with Client(redis_url, outbox=path, sync=sync) as online:
        say(online, 3)
        assert online.flush(KEPT_S)
    assert values(valkey) == [0, 1, 2, 3]


def test_what_an_earlier_run_left_goes_without_a_further_call(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    with Client(NOWHERE, outbox=path, sync=True, on_error=quiet) as offline:
        say(offline, 0)
    with Client(redis_url, outbox=path):
        eventually(lambda: values(valkey) == [0], within_s=KEPT_S)


def test_an_event_leaves_the_outbox_only_when_redis_has_it(path: Path, redis_url: str) -> None:
    with Client(NOWHERE, outbox=path, sync=True, on_error=quiet) as offline:
        say(offline, 0)
        assert Outbox(path, most=9).count() == 1
    with Client(redis_url, outbox=path, sync=True) as online:
        assert online.flush()
        assert Outbox(path, most=9).count() == 0


# --- full ----------------------------------------------------------------------------------------


def test_a_full_outbox_lets_events_wait_in_memory_and_then_drops_the_new_ones(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    errors: list[Exception] = []
    told = []
    with Client(NOWHERE, outbox=path, max_outbox=3, max_queue=2, on_error=errors.append) as offline:
        for number in range(3):
            told.append(say(offline, number))
            assert offline.flush_outbox(KEPT_S)
        told += [say(offline, 3), say(offline, 4)]
        eventually(lambda: any(isinstance(error, OutboxError) for error in errors), within_s=KEPT_S)
        told.append(say(offline, 5))
        (dropped,) = [error for error in errors if isinstance(error, EventDroppedError)]
        assert dropped.event_ids == told[5:]
        assert not offline.flush_outbox(0.1)
        offline.close(timeout_s=0)
    # Those in memory are told to be lost, too; those on disk are not.
    assert [error.event_ids for error in errors if isinstance(error, EventDroppedError)][1:] == [told[3:5]]
    with Client(redis_url, outbox=path) as online:
        assert online.flush(KEPT_S)
    assert values(valkey) == [0, 1, 2]


def test_a_full_outbox_is_told_to_a_sync_publisher(path: Path) -> None:
    with Client(NOWHERE, outbox=path, max_outbox=1, sync=True, on_error=quiet) as offline:
        say(offline, 0)
        with pytest.raises(OutboxError, match="1 events wait in it, of 1 that may"):
            say(offline, 1)


# --- the file ------------------------------------------------------------------------------------


def test_a_file_that_is_no_outbox_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OutboxError, match="choose another path"):
        Client(NOWHERE, outbox=path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="no/such/folder"):
        Client(NOWHERE, outbox=tmp_path / "no/such/folder/plays.outbox")


def test_an_append_is_synced_to_the_disk(path: Path) -> None:
    outbox = Outbox(path, most=1)
    with outbox._opened() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    outbox.close()
