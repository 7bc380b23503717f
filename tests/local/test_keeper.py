"""A local process ends by itself with its own exit code, or on SIGTERM when it is stopped."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import eventually
from worker.local.process import LocalProcess

# As a worker that is killed while a process of its pool is busy.
_LEAVES_A_CHILD = """
import subprocess
print(subprocess.Popen(["sleep", "100"]).pid, flush=True)
"""
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


@pytest.mark.parametrize("process", [_LEAVES_A_CHILD], indirect=True, ids=["leaves a child"])
@pytest.mark.parametrize("then", [LocalProcess.start, LocalProcess.stop], ids=["start", "stop"])
def test_what_a_dead_command_leaves_running_is_killed(
    process: LocalProcess, then: Callable[[LocalProcess], object]
) -> None:
    eventually(lambda: not process.running, within_s=30)
    child = psutil.Process(int(process.log_tail()))
    assert child.is_running()
    then(process)
    child.wait(30)


@pytest.mark.parametrize("process", [_STOPS_ON_SIGTERM], indirect=True)
def test_a_command_ends_when_standard_input_closes(process: LocalProcess) -> None:
    eventually(lambda: process.log_tail() == "ready", within_s=30)
    assert process.stop() == 3


def test_a_keeper_ends_the_whole_group_once_its_owner_is_gone() -> None:
    command = subprocess.Popen(["sh", "-c", "sleep 100 & wait"], start_new_session=True)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "worker.local.keeper", "sh", str(command.pid)], stdin=subprocess.PIPE
    )
    eventually(lambda: bool(psutil.Process(command.pid).children()), within_s=30)
    (child,) = psutil.Process(command.pid).children()
    keeper.communicate(timeout=30)
    assert command.wait(30) == -signal.SIGTERM
    child.wait(30)
