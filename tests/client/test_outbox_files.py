"""S12: an outbox keeps its promise through closing, forks, other processes and a file that nothing can be read from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.clients import TIMEOUT_S, ErrorRecorder, publish_value, published_values
from tests.support.outboxes import FILES, PAGE_BYTES, damage, delete, filled, payloads, python, restarted, values_of
from tests.support.processes import eventually
from worker.client import Client
from worker.client.background import BackgroundDelivery
from worker.client.outbox import Outbox
from worker.client.reporting import ErrorReporter
from worker.errors import OutboxError


@pytest.fixture
def outbox(path: Path, recorder: ErrorRecorder) -> Iterator[Outbox]:
    outbox = Outbox(path, max_events=9_999, reporter=ErrorReporter(recorder))
    yield outbox
    outbox.close()


def test_an_outbox_that_was_deleted_is_saved_before_it_closes(path: Path, outbox: Outbox) -> None:
    outbox.append(payloads(range(9)))
    path.unlink()
    outbox.close()
    assert restarted(path) == list(range(9))


def test_an_outbox_that_was_deleted_is_saved_before_a_fork(path: Path, outbox: Outbox) -> None:
    outbox.append(payloads(range(9)))
    path.unlink()
    outbox.before_fork()
    outbox.after_fork_in_parent()
    assert restarted(path) == list(range(9))


def test_an_outbox_that_was_deleted_while_closed_reports_its_loss(
    path: Path, outbox: Outbox, recorder: ErrorRecorder
) -> None:
    outbox.append(payloads(range(9)))
    outbox.close()
    path.unlink()
    outbox.append(payloads(range(9, 12)))
    assert restarted(path) == [9, 10, 11]
    assert outbox.losses == 1
    # A number that was used again would call these delivered as soon as those are.
    assert outbox.last_number() == 12
    (error,) = recorder.errors
    assert "deleted or replaced while it was closed" in str(error)
    assert "at least 9 are lost" in str(error)


def test_a_sharer_saves_nothing_that_was_sent_already(path: Path, outbox: Outbox) -> None:
    other = Outbox(path, max_events=99)
    outbox.append(payloads(range(3)))
    other.append(payloads(range(3, 6)))
    delete(path, *FILES)
    outbox.append(payloads(range(6, 9)))
    sent = outbox.peek(99)
    assert sent is not None
    assert values_of(sent.payloads) == list(range(9))
    outbox.discard(sent)
    assert other.count() == 0
    assert restarted(path) == []
    other.close()


def test_sharers_of_a_damaged_outbox_save_each_event_once(path: Path) -> None:
    filled(path, 4_000)
    damage(path, page=50)
    first, second = Outbox(path, max_events=9_999), Outbox(path, max_events=9_999)
    saved = []
    for outbox in (first, second):
        batch = outbox.peek(4_000)
        outbox.append(payloads(range(4_000, 4_001)))
        saved.append(len(batch.payloads) if batch else 0)
    found = [value for value in restarted(path) if value < 4_000]
    assert len(found) == len(set(found)) == saved[0]
    assert 3_900 < len(found) < 4_000
    first.close()
    second.close()


def page_of(path: Path, text: str) -> int:
    return path.read_bytes().index(text.encode()) // PAGE_BYTES


def test_a_flush_ends_though_the_newest_event_cannot_be_read(
    path: Path, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder
) -> None:
    filled(path, 4_000)
    damage(path, page=page_of(path, '"value":3999'))
    with Client(redis_url, outbox=path, on_error=recorder) as client:
        assert [client.flush(TIMEOUT_S) for _ in range(2)] == [False, True]
        publish_value(client, 4_000)
        assert client.flush(TIMEOUT_S)
    found = published_values(valkey)
    assert found[-1] == 4_000
    assert found[:-1] == list(range(len(found) - 1))
    assert recorder.types == [OutboxError]


def test_what_is_no_event_any_more_is_not_saved(path: Path, outbox: Outbox, recorder: ErrorRecorder) -> None:
    """A page with another byte in a text is a sound page to SQLite."""
    outbox.append(payloads(range(9)))
    python(
        "import sqlite3; c = sqlite3.connect(sys.argv[1]); "
        "c.execute(\"UPDATE events SET payload = 'x' || payload WHERE number = 4\"); c.commit(); os._exit(0)",
        path,
    )
    path.unlink()
    outbox.append(payloads(range(9, 10)))
    assert restarted(path) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert "at least 1 are lost" in str(recorder.errors[0])


def test_a_deleted_lock_leaves_one_reader(path: Path, outbox: Outbox) -> None:
    other = Outbox(path, max_events=9)
    outbox.append(payloads(range(3)))
    assert outbox.peek(9) is not None
    Path(f"{path}.lock").unlink()
    assert other.peek(9) is not None
    assert outbox.peek(9) is None
    other.close()


def test_an_outbox_that_cannot_be_opened_holds_up_nothing(
    tmp_path: Path, redis_url: str, valkey: "redis.Redis", recorder: ErrorRecorder
) -> None:
    path = tmp_path / "player" / "plays.outbox"
    path.parent.mkdir()

    def publish(client: Client, values: range) -> None:
        for value in values:
            publish_value(client, value)
        eventually(lambda: set(published_values(valkey)) >= set(values), within_s=TIMEOUT_S)

    with Client(redis_url, outbox=path, on_error=recorder) as client:
        publish(client, range(3))
        assert client.flush(TIMEOUT_S)
        shutil.rmtree(path.parent)
        path.parent.write_text("a file in the place of the folder")
        # The file is still open, though no path leads to it.
        publish(client, range(3, 6))
        # As at a fork: now there is no file at all.
        assert client._outbox is not None
        client._outbox.close()
        publish(client, range(6, 9))
        assert isinstance(client._delivery, BackgroundDelivery)
        to_redis = client._delivery._pumps[1]
        eventually(lambda: to_redis.is_failing, within_s=TIMEOUT_S)
    assert recorder.types.count(OutboxError) == 1
