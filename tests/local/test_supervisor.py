"""What `zik up` starts is restarted when it ends, with one line, and gone when `zik up` ends, whoever was killed."""

import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

import psutil
import pytest

from tests.support.events import play_payload
from tests.support.homes import processes_of, read_until, running
from tests.support.processes import eventually
from tests.support.stream_in_memory import Clock
from worker.errors import StreamUnavailableError
from worker.local.process import LocalProcess
from worker.local.supervisor import Supervisor
from worker.local.valkey import free_port
from worker.stream.producer import Producer

WITHIN_S = 15.0
SERVICES = ("valkey", "worker", "http")
KEEPERS = tuple(f"keeper of {name}" for name in SERVICES)
CHILDREN = ("http child",)


def kind(process: psutil.Process) -> str:
    words = process.cmdline()
    if not words:  # It is ending.
        raise psutil.ZombieProcess(process.pid)
    if "worker.local.keeper" in words:
        return f"keeper of {words[3]}"
    if "worker.celery" in words:
        return "worker"
    if "serve" in words:
        # The process that serves has the command line of its parent.
        parent = process.parent()
        return "http child" if parent is not None and parent.cmdline() == words else "http"
    return "valkey" if "valkey" in words[0] else "zik"


@dataclass
class Up:
    """A running `zik up` whose worker runs one task at once."""

    home: Path
    url: str
    process: "subprocess.Popen[str]"

    def processes(self) -> dict[str, psutil.Process]:
        """Its processes now, by what they are. Fails if there are two of a kind."""
        found = [process for process in processes_of(self.home) if process.pid != self.process.pid]
        named = {kind(process): process for process in found}
        assert len(named) == len(found), [process.cmdline() for process in found]
        return named

    def is_whole(self) -> bool:
        with suppress(AssertionError, psutil.Error):
            return set(self.processes()) == {*SERVICES, *KEEPERS, *CHILDREN}
        return False

    def errors(self) -> list[str]:
        return (self.home / "errors").read_text().splitlines()

    def publish(self, title: str) -> None:
        """Publish as a player does, which tries again while Redis is away."""

        def published() -> bool:
            with suppress(StreamUnavailableError), closing(Producer.at(self.url)) as producer:
                return bool(producer.append([play_payload(title)]))
            return False

        eventually(published, within_s=WITHIN_S)

    def has_recorded(self, title: str) -> bool:
        with closing(sqlite3.connect(self.home / "dev.db")) as connection:
            return bool(connection.execute("SELECT 1 FROM songs WHERE title = ?", [title]).fetchone())


class Broken(LocalProcess):
    """Has ended whenever someone looks."""

    running = False
    ending = "exited with code 7"

    def start(self) -> Self:
        return self


class Interrupted(LocalProcess):
    """Gets a Ctrl-C at the moment at which its command has started."""

    def start(self) -> Self:
        super().start()
        raise KeyboardInterrupt


def test_restarts_of_a_broken_process_become_rare(tmp_path: Path) -> None:
    lines: list[str] = []
    lines_by_s: list[int] = []
    broken = Broken("broken", [], log=tmp_path)
    with Supervisor(report=lines.append, monotonic=lambda: float(len(lines_by_s))) as supervisor:
        supervisor.start(broken)
        for _ in range(100):
            supervisor.check()
            lines_by_s.append(len(lines))
    assert [lines_by_s.index(number) for number in range(1, len(lines) + 1)] == [0, 1, 3, 7, 15, 31, 62, 93]
    assert lines[0] == f"broken exited with code 7; restarting it. See {tmp_path}"
    assert lines[3] == f"broken exited with code 7; restarting it in 7 s. See {tmp_path}"


def test_a_process_that_ran_for_a_minute_restarts_at_once(tmp_path: Path) -> None:
    lines: list[str] = []
    clock = Clock()
    with Supervisor(report=lines.append, monotonic=clock) as supervisor:
        supervisor.start(Broken("broken", [], log=tmp_path))
        for passed_s in (0, 0, 1, 60):
            clock.now_s += passed_s
            supervisor.check()
    assert ["restarting it in 1 s" in line for line in lines] == [False, True, False]
    assert "restarting it. " in lines[2]


def test_ctrl_c_at_a_start_leaves_no_process(tmp_path: Path) -> None:
    process = Interrupted("sleep", ["sleep", "100"], log=tmp_path / "log")
    with pytest.raises(KeyboardInterrupt), Supervisor() as supervisor:
        supervisor.start(process)
    try:
        assert not process.running
    finally:
        process.stop()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    home = tmp_path_factory.mktemp("home")
    url = f"redis://127.0.0.1:{free_port()}/0"
    with running(home, "up", "-c", "1", errors=home / "errors", REDIS_URL=url) as process:
        read_until(process, "Ctrl-C stops everything")
        yield Up(home, url, process)


@pytest.mark.parametrize("victim", [*SERVICES, *KEEPERS, *CHILDREN])
def test_s11_a_killed_process_is_replaced(up: Up, victim: str) -> None:
    eventually(up.is_whole, within_s=WITHIN_S, told=lambda: [p.cmdline() for p in processes_of(up.home)])
    lines_before = len(up.errors())
    up.processes()[victim].kill()
    title = str(uuid4())
    up.publish(title)
    eventually(lambda: up.has_recorded(title), within_s=WITHIN_S)
    eventually(up.is_whole, within_s=WITHIN_S, told=lambda: [p.cmdline() for p in processes_of(up.home)])
    lines = up.errors()[lines_before:]
    # granian replaces a child itself, and says so in its log.
    assert [victim in line for line in lines] == [True] * (victim not in CHILDREN), lines


def test_s11_nothing_is_left_after_kills_and_a_stop(up: Up) -> None:
    up.process.send_signal(signal.SIGTERM)
    eventually(lambda: processes_of(up.home) == [], within_s=30)
    # It stopped them in order itself, as at Ctrl-C. Its keepers would have done so after its end.
    assert up.process.wait(30) == 130


@pytest.mark.parametrize("first", [KEEPERS, ["worker"]], ids=["keepers", "worker"])
def test_s11_nothing_outlives_a_killed_up(tmp_path: Path, first: Sequence[str]) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with running(tmp_path, "up", "-c", "1", REDIS_URL=url) as process:
        read_until(process, "Ctrl-C stops everything")
        up = Up(tmp_path, url, process)
        eventually(up.is_whole, within_s=WITHIN_S)
        for victim in [up.processes()[kind] for kind in first]:
            victim.kill()
        process.kill()
        eventually(lambda: processes_of(tmp_path) == [], within_s=30, told=lambda: processes_of(tmp_path))


def test_s11_a_demo_survives_its_valkey_and_its_worker(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--events", "15000") as demo:
        read_until(demo, "with beat")
        for victim in ("worker", "valkey"):
            next(process for process in processes_of(tmp_path) if kind(process) == victim).kill()
        out, _ = demo.communicate(timeout=90)
        assert demo.returncode == 0, out
        assert "the books balance" in out
        assert "worker was killed by SIGKILL; restarting it" in out
        assert "valkey was killed by SIGKILL; restarting it" in out
        assert processes_of(tmp_path) == []


def refused(home: Path, command: str = "up", *, redis_url: str = "") -> str:
    """The one line with which the command ends; nothing of it is left."""
    with running(home, command, REDIS_URL=redis_url or f"redis://127.0.0.1:{free_port()}/0") as process:
        out, _ = process.communicate(timeout=30)
        assert processes_of(home) == []
    assert process.returncode == 1, out
    assert "Traceback" not in out
    (line,) = [line for line in out.splitlines() if line.startswith("zik: ")]
    assert out.splitlines()[-1] == line, out
    return line


def test_s11_a_taken_port_ends_up_with_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        line = refused(tmp_path, redis_url=f"redis://127.0.0.1:{port}/0")
    assert f"port {port} of 127.0.0.1" in line
    assert "REDIS_URL" in line


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis://127.0.0.1:{port}/99", "DB index is out of range"),
        ("redis://[::1]:{port}/0", "start it, or correct REDIS_URL"),
        ("redis://bob@127.0.0.1:{port}/0", "start it, or correct REDIS_URL"),
        ("rediss://127.0.0.1:{port}/0", "start it, or correct REDIS_URL"),
        ("unix:///run/{port}/r.sock", "start it, or correct REDIS_URL"),
    ],
)
def test_s11_an_address_the_embedded_valkey_lacks_is_refused(tmp_path: Path, address: str, words: str) -> None:
    assert words in refused(tmp_path, redis_url=address.format(port=free_port()))


@pytest.mark.parametrize("command", ["up", "demo"])
def test_s11_a_home_that_is_a_file_is_refused(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    home.touch()
    line = refused(home, command)
    assert str(home) in line
    assert "ZIK_HOME" in line


@pytest.mark.parametrize("name", ["worker.log", "valkey", "lock"])
def test_s11_an_unusable_file_in_the_folder_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / ".zik" / "up" / name
    path.parent.mkdir(parents=True)
    if name == "worker.log":
        path.mkdir()
    else:
        path.symlink_to("/proc/zik/nowhere")  # Where root cannot write either.
    assert str(path) in refused(tmp_path)


@pytest.mark.parametrize(
    "content", [b"no database" * 500, b"SQLite format 3\0" + b"\xff" * 8000], ids=["other", "torn"]
)
def test_s11_a_damaged_sqlite_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dev.db").write_bytes(content)
    line = refused(tmp_path)
    assert "damaged" in line
    assert "run `zik init`, then" not in line
