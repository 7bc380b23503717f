import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from worker.books import Books
from worker.cli.status import Pace, _watch, fitted_picture, status_picture
from worker.errors import StreamUnavailableError
from worker.operations.status import Overview
from worker.stream.inspection import Consumer

BOOKS = Books(received=1_000, recorded=700, duplicate=100, dead=50, waiting=150, pending=20, oldest_waiting_s=3.0)
SEEN = Overview(
    BOOKS, [Consumer("celery@a:0", 20, 0.4)], {"celery@a:0": 1.0}, "0001", "0001", {"missing_field": 50}, None
)


def shown(seen: Overview, pace: dict[str, float] | None = None) -> str:
    console = Console(width=140, record=True, force_terminal=True, file=io.StringIO())
    console.print(status_picture(seen, pace))
    return console.export_text(styles=True)


def changed(**fields: Any) -> Overview:
    return replace(SEEN, **fields)


RED = "\x1b[1;31m"


def test_a_healthy_status_shows_nothing_in_red() -> None:
    picture = shown(SEEN)
    assert RED not in picture
    assert "the books balance" in picture
    assert "celery@a:0" in picture
    assert "missing_field 50" in picture


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (changed(books=replace(BOOKS, received=1_001)), "another program deleted entries"),
        (changed(books=replace(BOOKS, oldest_waiting_s=46.0)), "oldest waiting event: 46 s"),
        (changed(database_trouble="no connection"), "database: no connection"),
        (changed(schema=None), "run `zik init`"),
        (changed(schema="0000"), "needs 0001"),
        (changed(last_progress_s={"celery@a:0": 99.0}), "no drain makes progress"),
    ],
)
def test_each_problem_is_red_and_comes_with_advice(seen: Overview, words: str) -> None:
    red = [line for line in shown(seen).splitlines() if RED in line]
    assert [line for line in red if words in line]


def test_rates_are_shown_while_watching() -> None:
    pace = {"received": 500.0, "recorded": 490.0, "duplicate": 0.0, "dead": 10.0, "waiting": -50.0}
    picture = shown(SEEN, pace)
    assert "+500" in picture
    assert "dry in about 3 s" in picture
    assert "start more workers" in shown(SEEN, pace | {"waiting": 7.0})


def test_rates_are_averaged_over_the_last_looks() -> None:
    pace = Pace()
    assert pace.of(BOOKS, at_s=0.0)["received"] == 0
    rates = {}
    for second in range(1, 30):
        rates = pace.of(replace(BOOKS, received=1_000 + 5 * second, waiting=150 - second), at_s=float(second))
    assert (rates["received"], rates["waiting"], rates["dead"]) == (5.0, -1.0, 0.0)


def test_running_drains_come_before_dead_ones() -> None:
    dead = [Consumer(f"celery@a:{number:02}", 0, 900.0) for number in range(20)]
    holding = Consumer("celery@b:0", 7, 900.0)
    running = [Consumer("celery@z:1", 0, 0.1), Consumer("celery@z:0", 0, 0.1)]
    progress_s = {"celery@z:0": 1.0, "celery@z:1": 0.5, "celery@a:07": 60.0}
    picture = shown(changed(consumers=[*dead, holding, *running], last_progress_s=progress_s))
    names = re.findall(r"celery@[a-z]:\d+", picture)
    assert names[:4] == ["celery@z:0", "celery@z:1", "celery@b:0", "celery@a:07"]
    assert len(names) == 23


@pytest.mark.parametrize("width", [60, 140])
def test_a_watched_status_fits_the_screen(width: int) -> None:
    drains = [Consumer(f"celery@a-host-with-a-long-name:{number}", 1, 900.0) for number in range(100)]
    screen = Console(width=width, height=30, record=True, force_terminal=True, file=io.StringIO())
    pace = Pace().of(BOOKS, at_s=0.0)
    screen.print(fitted_picture(screen, changed(consumers=drains), pace))
    lines = screen.export_text().splitlines()
    assert len(lines) == 30
    left_out = 100 - sum("celery@" in line for line in lines)
    assert lines[-1] == f"and {left_out} more with {left_out} pending: see `zik status`"[:width]


def test_watching_draws_the_picture_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    drains = [Consumer(f"celery@a:{number}", 1, 900.0) for number in range(100)]
    looks: Iterator[BaseException | Overview] = iter(
        [StreamUnavailableError("Redis is out of reach"), changed(consumers=drains), KeyboardInterrupt()]
    )

    def look() -> Overview:
        seen = next(looks)
        if isinstance(seen, BaseException):
            raise seen
        return seen

    screen = Console(width=140, height=30, record=True, force_terminal=True, file=io.StringIO())
    monkeypatch.setattr("worker.cli.status.console", screen)
    monkeypatch.setattr("worker.cli.status._EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        _watch(look)
    text = screen.export_text()
    assert "Redis is out of reach" in text
    assert re.search(r"and \d+ more with \d+ pending", text)


def test_on_a_large_screen_no_drain_is_left_out() -> None:
    screen = Console(width=140, height=30, record=True, force_terminal=True, file=io.StringIO())
    screen.print(fitted_picture(screen, SEEN, Pace().of(BOOKS, at_s=0.0)))
    assert "more with" not in screen.export_text()
