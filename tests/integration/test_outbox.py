"""Days offline, crashes, forks and neighbours: what an outbox must keep, and in which order."""

import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.workers import ROOT, eventually
from worker.client import Client
from worker.client.background import Background
from worker.client.outbox import Outbox
from worker.client.processes import EXIT_BUDGET_S
from worker.errors import EventDroppedError, OutboxError
from worker.keys import FIELD, STREAM

NOWHERE = "redis://127.0.0.1:1/0"
KEPT_S = 30.0


def values(valkey: "redis.Redis") -> list[Any]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def say(client: Client, value: object) -> str:
    return client.preference(user="ada", key="n", value=value)


def quiet(_: Exception) -> None:
    """An `on_error` for a Redis that is away on purpose."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plays.outbox"


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


# --- other processes -----------------------------------------------------------------------------

_SPEAKER = """
import sys
from worker.client import Client
url, path, who, number = sys.argv[1:]
with Client(url, outbox=path) as client:
    for step in range(int(number)):
        client.preference(user="ada", key="n", value=[who, step])
    assert client.flush(60)
"""


def python(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_processes_may_share_an_outbox_and_each_keeps_its_order(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    speakers = [python(_SPEAKER, redis_url, path, number, 300) for number in range(3)]
    for speaker in speakers:
        output, _ = speaker.communicate(timeout=100)
        assert speaker.returncode == 0, output
    found = values(valkey)
    assert len(found) == 900
    assert all([step for who, step in found if who == str(number)] == list(range(300)) for number in range(3))


def test_of_two_clients_only_one_takes_events_out_and_the_other_follows_when_it_ends(path: Path) -> None:
    first, second = Outbox(path, most=9), Outbox(path, most=9)
    first.append([b"{}"])
    assert first.peek(9) is not None
    assert second.peek(9) is None
    first.close()
    assert second.peek(9) is not None
    second.close()


_ENDS = """
import sys
from worker.client import Client
client = Client(sys.argv[1], flush_interval_s=60)
client.preference(user="ada", key="n", value=1)
"""


def test_a_player_that_just_ends_has_sent_what_it_was_given(redis_url: str, valkey: "redis.Redis") -> None:
    player = python(_ENDS, redis_url)
    output, _ = player.communicate(timeout=60)
    assert (player.returncode, output) == (0, "")
    assert values(valkey) == [1]


def test_a_player_ends_within_its_budget_without_redis(path: Path) -> None:
    script = _ENDS.replace("sys.argv[1]", "sys.argv[1], outbox=sys.argv[2], on_error=lambda error: None")
    timed = f"import time, atexit\natexit.register(lambda: print(time.monotonic() - began))\n{script}"
    player = python(f"{timed}\nbegan = time.monotonic()", NOWHERE, path)
    output, _ = player.communicate(timeout=60)
    assert player.returncode == 0, output
    assert float(output) < EXIT_BUDGET_S + 5
    assert Outbox(path, most=9).count() == 1


# --- fork ----------------------------------------------------------------------------------------


def forked(work: Callable[[], None]) -> None:
    """Run `work` in a forked child, and see that it went well."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    assert child.exitcode == 0


@pytest.mark.parametrize("with_outbox", [False, True])
def test_a_forked_child_sends_its_own_events_and_none_of_its_parent_s(
    path: Path, redis_url: str, valkey: "redis.Redis", *, with_outbox: bool
) -> None:
    with Client(redis_url, outbox=path if with_outbox else None, flush_interval_s=1) as client:
        say(client, "first")
        assert client.flush(KEPT_S)
        # Not sent yet when the child begins.
        say(client, "parent")

        def child() -> None:
            assert client.counters.sent == 0
            say(client, "child")
            assert client.flush(KEPT_S)
            client.close()

        forked(child)
        say(client, "last")
        assert client.flush(KEPT_S)
    assert sorted(values(valkey)) == ["child", "first", "last", "parent"]


def test_a_child_leaves_the_sending_to_its_parent_and_a_successor_takes_over(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    parent = Client(NOWHERE, outbox=path, on_error=quiet)
    say(parent, 1)
    assert not parent.flush(1)

    def child() -> None:
        with Client(redis_url, outbox=path) as client:
            assert not client.flush(1)
            client.close(timeout_s=0)

    forked(child)
    # The child has ended, and with it its copy of the lock's file: the parent still leads.
    assert Outbox(path, most=9).peek(9) is None
    parent.close(timeout_s=0.2)
    with Client(redis_url, outbox=path) as successor:
        assert successor.flush(KEPT_S)
    assert values(valkey) == [1]
