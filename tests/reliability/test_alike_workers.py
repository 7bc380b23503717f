"""Workers started alike on one host, under a database that is locked again and again (S4)."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, text

from tests.support.events import play_payloads
from tests.support.processes import count, eventually, running_worker, url_of
from worker.database.engine import transaction, without_statement_timeout
from worker.stream.consumer import EventStream

# Shorter than the lock timeout of a batch, which then waits while others look for work, and longer: it fails, and its
# entries stay pending.
_LOCKED_S: Final = (3.0, 6.0)
_PAUSE_S: Final = 0.5


@contextmanager
def locked_again_and_again(postgres: Engine) -> Iterator[None]:
    enough = threading.Event()

    def lock() -> None:
        for locked_s in cycle(_LOCKED_S):
            if enough.wait(_PAUSE_S):
                return
            with transaction(without_statement_timeout(postgres)) as session:
                session.execute(text("LOCK TABLE play_history IN EXCLUSIVE MODE"))
                enough.wait(locked_s)

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@pytest.mark.parametrize(
    ("workers", "events", "locked_s"),
    [
        pytest.param(2, 3_000, 8, id="2"),
        pytest.param(4, 30_000, 25, id="4", marks=pytest.mark.full),
        pytest.param(8, 30_000, 25, id="8", marks=pytest.mark.full),
    ],
)
def test_s4_workers_started_alike_record_each_event_once(  # noqa: PLR0913, PLR0917
    workers: int, events: int, locked_s: int, stream: EventStream, redis_url: str, postgres: Engine, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                running_worker(
                    redis_url=redis_url,
                    database_url=url_of(postgres),
                    folder=tmp_path,
                    slots=2,
                    ZIK_BATCH_SIZE="50",
                )
            )
            for _ in range(workers)
        ]
        with locked_again_and_again(postgres):
            stream.append(play_payloads(events))
            threading.Event().wait(locked_s)
        eventually(lambda: stream.books().waiting == 0, within_s=90, told=stream.books)
        eventually(lambda: any("another worker is called" in worker.log for worker in started), within_s=30)
        for worker in started:
            worker.stop()
    books = stream.books()
    assert (books.recorded, books.duplicate, books.dead, books.unaccounted) == (events, 0, 0, 0)
    assert (count(postgres, "play_history"), count(postgres, "dead_letters")) == (events, 0)
    assert stream.consumers() == []
