"""Signals under load: what a service manager sends, and what an impatient person sends (F7)."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from sqlalchemy import Engine

from tests.support import oracle
from tests.support.load import Load
from tests.support.processes import Process, eventually, running_worker, url_of
from worker.drain.drain import Drain
from worker.stream.consumer import EventStream

EVENTS: Final = 15_000
# A container has ten seconds by default, and a batch takes a fraction of one.
SOON_S: Final = 10.0


class Busy(NamedTuple):
    """A worker in the midst of work that would take it some seconds more."""

    worker: Process
    load: list[bytes]
    stream: EventStream
    engine: Engine

    def send(self, number: signal.Signals) -> None:
        os.kill(self.worker._popen.pid, number)

    def rest_is_drained(self) -> None:
        Drain(self.stream, self.engine, "successor", abandoned_ms=0).run()
        oracle.check(self.load, self.stream, self.engine)


@pytest.fixture
def busy(stream: EventStream, redis_url: str, postgres: Engine, tmp_path: Path) -> Iterator[Busy]:
    load = Load(5).take(EVENTS)
    stream.append(load)
    with running_worker(
        redis_url=redis_url, database_url=url_of(postgres), folder=tmp_path, slots=2, ready=False, ZIK_BATCH_SIZE="50"
    ) as worker:
        eventually(lambda: stream.books().waiting < EVENTS - 500, within_s=30, told=lambda: worker.log)
        yield Busy(worker, load, stream, postgres)


def test_f7_sigterm_under_load_ends_a_worker_cleanly_and_soon(busy: Busy) -> None:
    busy.send(signal.SIGTERM)
    assert busy.worker.wait(within_s=SOON_S) == 0, busy.worker.log
    stopped = busy.stream.books()
    # It was asked in the midst of work, finished its batches, and began no more.
    assert 0 < stopped.waiting < EVENTS
    assert stopped.pending == 0
    assert "Traceback" not in busy.worker.log
    busy.rest_is_drained()


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        pytest.param([signal.SIGTERM, signal.SIGTERM], 0, id="SIGTERM twice", marks=pytest.mark.full),
        pytest.param([signal.SIGQUIT], None, id="SIGQUIT", marks=pytest.mark.full),
        pytest.param([signal.SIGTERM, signal.SIGQUIT], None, id="SIGTERM then SIGQUIT", marks=pytest.mark.full),
        pytest.param([signal.SIGINT, signal.SIGINT], None, id="Ctrl-C twice", marks=pytest.mark.full),
    ],
)
def test_f7_a_forced_stop_loses_nothing(busy: Busy, signals: list[signal.Signals], code: int | None) -> None:
    for number in signals:
        busy.send(number)
        time.sleep(0.05)
    ended = busy.worker.wait(within_s=SOON_S)
    assert code in {None, ended}, busy.worker.log
    busy.rest_is_drained()
