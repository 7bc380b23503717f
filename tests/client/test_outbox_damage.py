"""S12: whoever deletes or damages an outbox under a live client, nothing is called safe that a restart cannot find."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.support.clients import (
    TIMEOUT_S,
    UNREACHABLE,
    ErrorRecorder,
    ignore_error,
    publish_value,
    published_values,
)
from tests.support.outboxes import FILES, PAGE_BYTES, damage, delete, filled, payloads, python, restarted
from tests.support.proxy import Proxy
from worker.client import Client
from worker.client.outbox import Outbox
from worker.errors import OutboxError


def publish_values(client: Client, values: range, *, flush: bool = True) -> None:
    for value in values:
        publish_value(client, value)
    if flush:
        assert client.flush_outbox(TIMEOUT_S)


# --- what others do to the file -------------------------------------------------------------------


def move(path: Path) -> None:
    path.rename(path.with_name("away"))


def replace(path: Path, content: bytes) -> None:
    """Another file under this name, as a restored backup is."""
    other = path.with_name("other")
    other.write_bytes(content)
    other.rename(path)


def replace_by_database(path: Path) -> None:
    with closing(sqlite3.connect(path.with_name("other"))) as other:
        other.execute("CREATE TABLE mine (a)")
    path.with_name("other").rename(path)


def replace_by_new_outbox(path: Path) -> None:
    other = Outbox(path.with_name("other"), max_events=9)
    other.append([b'{"type":"preference","time":"2021-04-22T05:40:53Z","user":"ada","key":"n","value":-1}'])
    other.close()
    path.with_name("other").rename(path)


LOSSLESS: dict[str, Callable[[Path], None]] = {
    "deleted": lambda path: delete(path, ""),
    "deleted with its log": lambda path: delete(path, *FILES),
    "its log deleted": lambda path: delete(path, "-wal"),
    "its index deleted": lambda path: delete(path, "-shm"),
    "deleted with its folder": lambda path: shutil.rmtree(path.parent),
    "moved away": move,
    "replaced by a text": lambda path: replace(path, b"no database" * 1_000),
    "replaced by an empty file": lambda path: replace(path, b""),
    "replaced by another program's": replace_by_database,
    "replaced by an outbox": replace_by_new_outbox,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "player"
    folder.mkdir()
    return folder / "plays.outbox"


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("fault", LOSSLESS)
def test_what_is_called_safe_is_found_after_a_restart(  # noqa: PLR0913
    path: Path, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder, fault: str, *, sync: bool
) -> None:
    with Client(UNREACHABLE, outbox=path, on_error=recorder, sync=sync) as offline:
        publish_values(offline, range(50))
        LOSSLESS[fault](path)
        assert offline.flush_outbox(TIMEOUT_S)
        assert set(restarted(path)) >= set(range(50))
        publish_values(offline, range(50, 100))
        found = [value for value in restarted(path) if value != -1]
        assert found == list(range(100))
        offline.close(timeout_s=0)
    (reported,) = [error for error in recorder.errors if isinstance(error, OutboxError)]
    assert f"outbox {path}: it was deleted, replaced or cut short. A new one has all 50 events" in str(reported)
    with Client(redis_url, outbox=path) as online:
        assert online.flush(TIMEOUT_S)
    assert [value for value in published_values(valkey) if value != -1] == list(range(100))
    assert offline.counters.dropped == 0


def test_a_deleted_outbox_is_saved_before_it_is_closed(path: Path) -> None:
    with Client(UNREACHABLE, outbox=path, on_error=ignore_error) as offline:
        publish_values(offline, range(9))
        path.unlink()
        offline.close(timeout_s=0)
    assert restarted(path) == list(range(9))


def test_processes_that_share_a_deleted_outbox_lose_nothing(path: Path) -> None:
    first, second = Outbox(path, max_events=99), Outbox(path, max_events=99)
    first.append(payloads(range(3)))
    second.append(payloads(range(3, 6)))
    delete(path, *FILES)
    first.append(payloads(range(6, 9)))
    second.append(payloads(range(9, 12)))
    first.append(payloads(range(12, 15)))
    assert restarted(path) == list(range(15))
    first.close()
    second.close()


def test_two_outboxes_in_a_process_keep_its_locks_on_the_file(path: Path) -> None:
    """A closed file would release them. Another process that closes last would then delete the log in use."""
    outbox = Outbox(path, max_events=9)
    Outbox(path, max_events=9).close()
    python("from worker.client.outbox import Outbox; Outbox(pathlib.Path(sys.argv[1]), max_events=9).close()", path)
    assert Path(f"{path}-wal").exists()
    outbox.append(payloads(range(3)))
    assert restarted(path) == list(range(3))
    outbox.close()


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sync", [False, True])
def test_a_damaged_page_holds_up_nothing_but_its_own_events(
    path: Path, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder, *, sync: bool
) -> None:
    filled(path, 4_000)
    damage(path, page=50)
    with Client(redis_url, outbox=path, on_error=recorder, sync=sync) as client:
        publish_values(client, range(4_000, 4_100), flush=False)
        assert [client.flush(TIMEOUT_S) for _ in range(3)] == [False, True, True]
        assert [client.flush_outbox(TIMEOUT_S) for _ in range(3)] == [False, True, True]
    found = published_values(valkey)
    lost = sorted(set(range(4_100)) - set(found))
    assert 0 < len(lost) < 100
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert len(found) == len(set(found))
    assert recorder.types == [OutboxError]
    (kept,) = path.parent.glob("plays.outbox.damaged-*[0-9]")
    assert f"at least {len(lost)} are lost; the damaged file is now {kept}" in str(recorder.errors[0])


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("size", [0, PAGE_BYTES, 5 * PAGE_BYTES])
def test_a_truncated_outbox_is_not_called_safe(path: Path, recorder: ErrorRecorder, suffix: str, size: int) -> None:
    filled(path, 500)
    with Client(UNREACHABLE, outbox=path, on_error=recorder) as offline:
        publish_values(offline, range(500, 1_000))
        os.truncate(f"{path}{suffix}", size)
        publish_values(offline, range(1_000, 1_100), flush=False)
        if offline.flush_outbox(TIMEOUT_S):
            assert restarted(path) == list(range(1_100))
        assert offline.flush_outbox(TIMEOUT_S)
        assert restarted(path)[-100:] == list(range(1_000, 1_100))
        offline.close(timeout_s=0)
    assert recorder.types.count(OutboxError) == 1


@pytest.mark.parametrize("page", [0, 1, 2])
def test_an_outbox_whose_first_pages_are_damaged_is_begun_again(
    path: Path, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder, page: int
) -> None:
    filled(path, 100)
    Path(f"{path}.lock").touch()
    damage(path, page=page)
    with Client(redis_url, outbox=path, on_error=recorder) as client:
        publish_value(client, -1)
        client.flush(TIMEOUT_S)
        assert client.flush(TIMEOUT_S)
    found = published_values(valkey)
    assert found[-1] == -1
    assert recorder.types == [OutboxError]
    # Only the counter is on the third page.
    assert found[:-1] == list(range(100)) or list(path.parent.glob("plays.outbox.damaged-*[0-9]"))


def test_a_text_that_was_never_an_outbox_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("my diary" * 1_000)
    with pytest.raises(OutboxError, match="not a database"):
        Client(UNREACHABLE, outbox=path)
    assert path.read_text() == "my diary" * 1_000


def test_what_a_killed_rescue_has_left_is_saved_by_the_next_run(path: Path, recorder: ErrorRecorder) -> None:
    filled(path, 100)
    path.rename(f"{path}.rescue")
    with Client(UNREACHABLE, outbox=path, on_error=recorder) as offline:
        publish_values(offline, range(100, 110))
        offline.close(timeout_s=0)
    assert restarted(path) == list(range(110))
    assert sorted(file.name for file in path.parent.iterdir() if "rescue" in file.name) == []


# --- a disk that takes nothing --------------------------------------------------------------------

REFUSALS = {"full": "PRAGMA max_page_count = 1", "read-only": "PRAGMA query_only = ON"}


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_redis_gets_the_events_that_the_disk_refuses(  # noqa: PLR0913
    path: Path, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder, refusal: str, *, sync: bool
) -> None:
    filled(path, 1_200)
    with Client(redis_url, outbox=path, on_error=recorder, sync=sync, max_queue=2_000) as client:
        refuse(client, REFUSALS[refusal])
        for number in range(1_200, 1_800):
            publish_value(client, number)
        assert client.flush(TIMEOUT_S)
        assert client.flush_outbox(TIMEOUT_S)
        assert set(published_values(valkey)) == set(range(1_800))
        assert client.counters.dropped == 0
        # A full outbox has room again as soon as an event has left it, so without threads none is refused.
        assert recorder.types == ([] if sync and refusal == "full" else [OutboxError])


def refuse(client: Client, pragma: str) -> None:
    """Let the client's own connection refuse: root may write to a read-only file, and no test may fill the disk."""
    assert client._outbox is not None
    client._outbox._file.use(lambda connection: connection.execute(pragma))


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_neither_disk_nor_redis_takes_is_not_called_safe(
    path: Path, recorder: ErrorRecorder, refusal: str
) -> None:
    with Client(UNREACHABLE, outbox=path, on_error=recorder) as offline:
        publish_values(offline, range(50))
        refuse(offline, REFUSALS[refusal])
        publish_values(offline, range(50, 200), flush=False)
        assert not offline.flush_outbox(1)
        offline.close(timeout_s=0)
    assert recorder.types.count(OutboxError) == 1


def test_a_lost_outbox_that_cannot_be_begun_again_still_reaches_redis(
    path: Path, proxy: Proxy, valkey: "redis.Redis", recorder: ErrorRecorder
) -> None:
    proxy.refuses = True
    with Client(f"redis://127.0.0.1:{proxy.port}/0", outbox=path, on_error=recorder, max_waiting=0) as client:
        publish_values(client, range(50))
        shutil.rmtree(path.parent)
        path.parent.write_text("a file in the place of the folder")
        publish_values(client, range(50, 60), flush=False)
        assert not client.flush_outbox(0.5)
        proxy.refuses = False
        assert client.flush_outbox(TIMEOUT_S)
        assert client.flush(TIMEOUT_S)
    assert published_values(valkey) == list(range(60))
    assert recorder.types.count(OutboxError) == 1
