"""A local process ends by itself with its own exit code, or on SIGTERM when it is stopped."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import eventually
from worker.local.process import LocalProcess

_STOPS_ON_SIGTERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("ready", flush=True)
time.sleep(100)
"""


@pytest.fixture
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalProcess]:
    process = LocalProcess("python", [sys.executable, "-c", request.param], log=tmp_path / "log").start()
    yield process
    process.stop()


@pytest.mark.parametrize("process", ["raise SystemExit(7)"], indirect=True)
def test_a_command_that_ends_by_itself_keeps_its_exit_code(process: LocalProcess) -> None:
    eventually(lambda: not process.running, within_s=30)
    assert (process.exit_code, process.log_tail()) == (7, "")


@pytest.mark.parametrize("process", [_STOPS_ON_SIGTERM], indirect=True)
def test_a_command_ends_when_standard_input_closes(process: LocalProcess) -> None:
    eventually(lambda: process.log_tail() == "ready", within_s=30)
    assert process.stop() == 3
