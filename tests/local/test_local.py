"""`zik demo` and `zik up` as real processes: they work, and they leave nothing running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from worker.local.valkey import answers, free_port
from worker.stream.consumer import EventStream

GOOD = b'{"type":"play","time":"2024-04-22T05:40:53Z","user":"ada","song":{"title":"Parabola","artist":"Tool"}}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home. zik thinks that it is installed, because there is no pyproject.toml above it."""
    return tmp_path


@contextmanager
def running(home: Path, *command: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """`zik` in a session of its own, with everything it starts, ended for certain."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ZIK_HOME": str(home),
        "COLUMNS": "160",
        "DATABASE_URL": "sqlite:///dev.db",
        **env,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", *command],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for left in relatives(home):
            left.kill()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def relatives(home: Path) -> list[psutil.Process]:
    """All processes that work for the zik of this home. Valkey writes over its environment, and works in its folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ZIK_HOME") == str(home) or Path(process.cwd()).is_relative_to(home):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    pytest.fail(f"{text!r} never came:\n{seen}")


def test_the_demo_balances_its_books_and_leaves_nothing_running(home: Path) -> None:
    with running(home, "demo", "--events", "3000") as demo:
        out, _ = demo.communicate(timeout=60)

        assert demo.returncode == 0, out
        assert "the books balance" in out
        assert "3,000" in out
        assert "Top songs of everyone" in out
        assert relatives(home) == []


def test_the_demo_plays_a_history_of_ones_own(home: Path) -> None:
    (home / "mine.jsonl").write_bytes(GOOD + b"\nno json\n")
    with running(home, "demo", "--history", "mine.jsonl") as demo:
        out, _ = demo.communicate(timeout=60)

        assert demo.returncode == 0, out
        assert "Parabola" in out
        assert "1 lines were not valid" in out


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_demo_leaves_nothing_running(home: Path, ending: signal.Signals) -> None:
    with running(home, "demo", "--events", "500000") as demo:
        read_until(demo, "and beat")

        demo.send_signal(ending)

        assert within(30, lambda: relatives(home) == []), relatives(home)
        assert demo.wait() != 0


def test_up_serves_until_stopped_and_keeps_what_it_has(home: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    for round_number in (1, 2):
        with running(home, "up", REDIS_URL=url) as up:
            read_until(up, "Ctrl-C stops everything")
            stream = EventStream.at(url)
            stream.append([GOOD])

            assert within(5, lambda stream=stream: stream.books().waiting == 0)  # type: ignore[misc]
            books = stream.books()
            stream.close()
            up.send_signal(signal.SIGTERM)

            assert within(30, lambda: relatives(home) == []), relatives(home)
            # The embedded Valkey has kept the books of the first round in its append-only file.
            assert (books.received, books.recorded) == (round_number, 1)


def test_a_second_up_in_the_same_home_is_refused(home: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with running(home, "up", REDIS_URL=url) as up:
        read_until(up, "Ctrl-C stops everything")

        with running(home, "up", REDIS_URL=url, COLUMNS="150") as second:
            out, _ = second.communicate(timeout=30)

        assert second.returncode == 1
        assert "running already" in out


def test_up_uses_the_redis_that_answers_and_leaves_it_running(home: Path, redis_url: str) -> None:
    with running(home, "up", REDIS_URL=redis_url) as up:
        seen = read_until(up, "Ctrl-C stops everything")
        up.send_signal(signal.SIGTERM)

        assert f"using the one at {redis_url}" in seen
        assert within(30, lambda: relatives(home) == []), relatives(home)
    assert answers(redis_url)


def test_up_says_so_when_a_redis_elsewhere_does_not_answer(home: Path) -> None:
    with running(home, "up", REDIS_URL="redis://:canary@127.0.0.1:1/0") as up:
        out, _ = up.communicate(timeout=30)

    assert up.returncode == 1
    assert "start it, or correct REDIS_URL" in out
    assert "canary" not in out
