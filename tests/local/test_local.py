"""`zik demo` and `zik up`, as real processes, work and leave no process running."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.homes import processes_of, read_until, running
from worker.local.valkey import free_port, is_reachable
from worker.stream.consumer import EventStream

GOOD = b'{"type":"play","time":"2024-04-22T05:40:53Z","user":"ada","song":{"title":"Parabola","artist":"Tool"}}'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home. zik behaves as installed, because no folder above has a pyproject.toml."""
    return tmp_path


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_demo_balances_its_books_and_leaves_nothing_running(home: Path) -> None:
    with running(home, "demo", "--events", "3000") as demo:
        out, _ = demo.communicate(timeout=60)

        assert demo.returncode == 0, out
        assert "the books balance" in out
        assert "3,000" in out
        assert "Top songs of everyone" in out
        assert re.search(r"a page at http://127\.0\.0\.1:\d+/u/listener-000/\n", out)
        assert processes_of(home) == []


def test_up_goes_on_with_what_the_demo_has_recorded(home: Path) -> None:
    with running(home, "demo", "--events", "300") as demo:
        out, _ = demo.communicate(timeout=60)
    demo_home = re.search(r"export ZIK_HOME=(\S+)", out)
    assert demo_home, out
    url = f"redis://127.0.0.1:{free_port()}/0"
    with running(Path(demo_home[1]), "up", REDIS_URL=url) as up:
        output = read_until(up, "Ctrl-C stops everything")
        with EventStream.opened(url) as stream:
            books = stream.books()
        assert (books.received, books.dead, books.waiting) == (300, 1, 0)
        assert re.search(r"^token +\S+ of the user listener-000;", output, re.MULTILINE)

        # What it runs on is not emptied.
        with running(home, "demo") as second:
            refusal, _ = second.communicate(timeout=30)
        assert "`zik up` is already running" in refusal


def test_the_demo_plays_a_history_of_ones_own(home: Path) -> None:
    (home / "mine.jsonl").write_bytes(GOOD + b"\nno json\n")
    with running(home, "demo", "--history", "mine.jsonl") as demo:
        out, _ = demo.communicate(timeout=60)

        assert demo.returncode == 0, out
        assert "Parabola" in out
        assert "1 invalid lines were skipped" in out


def test_the_demo_counts_listens_by_the_configured_rule(home: Path) -> None:
    # 40 % of the song: a listen by the rule of this test, and none by the default one.
    play = GOOD.replace(b'"artist":"Tool"}', b'"artist":"Tool","duration_ms":200000},"ms_played":80000')
    (home / "mine.jsonl").write_bytes(play + b"\n")
    with running(home, "demo", "--history", "mine.jsonl", ZIK_LISTEN_PERCENT="30") as demo:
        out, _ = demo.communicate(timeout=60)

    assert demo.returncode == 0, out
    (row,) = [line for line in out.splitlines() if "Parabola" in line]
    assert [cell for cell in row.split() if cell.isdigit()] == ["1", "1", "1"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_demo_leaves_nothing_running(home: Path, ending: signal.Signals) -> None:
    with running(home, "demo", "--events", "500000") as demo:
        read_until(demo, "with beat")

        demo.send_signal(ending)

        assert within(30, lambda: processes_of(home) == []), processes_of(home)
        assert demo.wait() != 0


def test_up_serves_until_stopped_and_keeps_its_data(home: Path) -> None:
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

            assert within(30, lambda: processes_of(home) == []), processes_of(home)
            # The embedded Valkey has kept the books of the first round in its append-only file.
            assert (books.received, books.recorded) == (round_number, 1)


def test_a_second_up_in_the_same_home_is_refused(home: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with running(home, "up", REDIS_URL=url) as up:
        read_until(up, "Ctrl-C stops everything")

        with running(home, "up", REDIS_URL=url, COLUMNS="150") as second:
            out, _ = second.communicate(timeout=30)

        assert second.returncode == 1
        assert "already running" in out


def test_up_uses_a_reachable_redis_and_leaves_it_running(home: Path, redis_url: str) -> None:
    with running(home, "up", REDIS_URL=redis_url) as up:
        output = read_until(up, "Ctrl-C stops everything")
        address = re.search(r"^page +(http://127\.0\.0\.1:\d+)(/u/[^/]+/) for a browser", output, re.MULTILINE)
        assert address
        with urlopen(address[1]) as page:  # noqa: S310 -- our own address, which asks for the token that stands above.
            assert b"Paste a token" in page.read()
        up.send_signal(signal.SIGTERM)

        assert f"using the server at {redis_url}" in output
        assert within(30, lambda: processes_of(home) == []), processes_of(home)
    assert is_reachable(redis_url)


def test_up_fails_when_the_configured_redis_does_not_answer(home: Path) -> None:
    with running(home, "up", REDIS_URL="redis://:canary@127.0.0.1:1/0") as up:
        out, _ = up.communicate(timeout=30)

    assert up.returncode == 1
    assert "start it, or correct REDIS_URL" in out
    assert "canary" not in out
