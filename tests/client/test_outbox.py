"""An outbox keeps events in order over days without Redis, and refuses new ones when it is full."""

import sqlite3
import threading
from pathlib import Path

import pytest
import redis

from tests.support.clients import TIMEOUT_S, UNREACHABLE, ignore_error, publish_value, published_values
from tests.support.processes import eventually
from worker.client import Client
from worker.client.background import BackgroundDelivery
from worker.client.outbox import Outbox
from worker.errors import EventDroppedError, OutboxError

# --- offline -------------------------------------------------------------------------------------


def test_a_run_without_redis_keeps_order_in_bounded_memory(path: Path, redis_url: str, valkey: "redis.Redis") -> None:
    max_queue = 500
    with Client(UNREACHABLE, outbox=path, max_queue=max_queue, on_error=ignore_error) as offline:
        assert isinstance(offline._delivery, BackgroundDelivery)
        for number in range(20_000):
            publish_value(offline, number)
            if number % 100 == 0:
                assert offline._delivery._memory.count() <= max_queue
        assert offline.flush_outbox(TIMEOUT_S)
        assert offline.counters.dropped == 0
        offline.close(timeout_s=0.5)
    with Client(redis_url, outbox=path) as online:
        assert online.flush(2 * TIMEOUT_S)
    assert published_values(valkey) == list(range(20_000))


@pytest.mark.parametrize("sync", [False, True])
def test_events_of_an_earlier_run_are_sent_first(
    path: Path, redis_url: str, valkey: "redis.Redis", *, sync: bool
) -> None:
    with Client(UNREACHABLE, outbox=path, sync=True, on_error=ignore_error, max_waiting=0) as offline:
        for number in range(3):
            publish_value(offline, number)
    with Client(redis_url, outbox=path, sync=sync) as online:
        publish_value(online, 3)
        assert online.flush(TIMEOUT_S)
    assert published_values(valkey) == [0, 1, 2, 3]


def test_events_of_an_earlier_run_are_sent_without_a_new_event(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    with Client(UNREACHABLE, outbox=path, sync=True, on_error=ignore_error) as offline:
        publish_value(offline, 0)
    with Client(redis_url, outbox=path):
        eventually(lambda: published_values(valkey) == [0], within_s=TIMEOUT_S)


def test_an_event_leaves_the_outbox_only_when_redis_has_it(path: Path, redis_url: str) -> None:
    with Client(UNREACHABLE, outbox=path, sync=True, on_error=ignore_error) as offline:
        publish_value(offline, 0)
        assert Outbox(path, max_events=9).count() == 1
    with Client(redis_url, outbox=path, sync=True) as online:
        assert online.flush()
        assert Outbox(path, max_events=9).count() == 0


# --- full ----------------------------------------------------------------------------------------


def test_a_full_outbox_queues_in_memory_then_drops_new_events(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    errors: list[Exception] = []
    event_ids = []
    with Client(UNREACHABLE, outbox=path, max_outbox=3, max_queue=2, on_error=errors.append) as offline:
        for number in range(3):
            event_ids.append(publish_value(offline, number))
            assert offline.flush_outbox(TIMEOUT_S)
        event_ids += [publish_value(offline, 3), publish_value(offline, 4)]
        eventually(lambda: any(isinstance(error, OutboxError) for error in errors), within_s=TIMEOUT_S)
        event_ids.append(publish_value(offline, 5))
        (dropped,) = [error for error in errors if isinstance(error, EventDroppedError)]
        assert dropped.event_ids == event_ids[5:]
        assert not offline.flush_outbox(0.1)
        offline.close(timeout_s=0)
    # Events in memory are reported as dropped too; those on disk are not.
    assert [error.event_ids for error in errors if isinstance(error, EventDroppedError)][1:] == [event_ids[3:5]]
    with Client(redis_url, outbox=path) as online:
        assert online.flush(TIMEOUT_S)
    assert published_values(valkey) == [0, 1, 2]


def test_a_full_outbox_raises_for_a_sync_publisher(path: Path) -> None:
    with Client(UNREACHABLE, outbox=path, max_outbox=1, sync=True, on_error=ignore_error) as offline:
        publish_value(offline, 0)
        with pytest.raises(OutboxError, match="full, 1 events wait in it, at most 1 "):
            publish_value(offline, 1)


# --- the file ------------------------------------------------------------------------------------


def test_a_file_that_is_no_outbox_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OutboxError, match="choose another path"):
        Client(UNREACHABLE, outbox=path)
    assert path.read_bytes() == before


def test_the_error_for_a_missing_outbox_folder_names_it(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="no/such/folder"):
        Client(UNREACHABLE, outbox=tmp_path / "no/such/folder/plays.outbox")


def test_an_append_is_synced_to_the_disk(path: Path) -> None:
    outbox = Outbox(path, max_events=1)
    connection = outbox._file._connection
    assert connection is not None
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    outbox.close()


def test_an_outbox_of_a_newer_zik_is_named_as_that(path: Path) -> None:
    Outbox(path, max_events=10).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA application_id = {0x7A696B02}")
    connection.close()
    with pytest.raises(OutboxError, match="a newer zik has made it") as caught:
        Outbox(path, max_events=10)
    assert str(path) in str(caught.value)
    assert "upgrade this player" in str(caught.value)


def test_an_outbox_opens_while_another_process_has_just_made_it(path: Path) -> None:
    Outbox(path, max_events=9).close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    # As between the making of the file and the switch to write-ahead logging, which SQLite then refuses at once.
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN IMMEDIATE")
    other.execute("SELECT count(*) FROM events").fetchone()
    freed = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    freed.start()
    outbox = Outbox(path, max_events=9)
    freed.join()
    outbox.append([b"{}"])
    assert outbox.count() == 1
    outbox.close()
    other.close()
