"""The end of an import says what is new, what was there already and what waits; its figures agree after Ctrl-C too."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from tests.support.commands import Zik, zik_at
from tests.support.events import NOW, play_payload
from tests.support.processes import count
from worker.books import Books, outcomes
from worker.cli import import_outcomes
from worker.drain.drain import Drain
from worker.errors import StreamMisusedError
from worker.importers.archive import open_archives
from worker.importers.importer import Importer
from worker.stream.backpressure import Backpressure
from worker.stream.consumer import EventStream
from worker.stream.inspection import StreamInspector


@pytest.fixture
def zik(sqlite: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(sqlite, redis_url, monkeypatch, capfd)


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def plays(songs: range, name: str = "x") -> str:
        lines = "".join(f"Band,Song {number},{1600000000 + number}\n" for number in songs)
        (tmp_path / name).write_text(f"Artist,Track,Time\n{lines}")
        return str(tmp_path / name)

    return plays


def test_what_waits_is_said(zik: Zik, write: Write) -> None:
    answer = zik("import", "--user", "ada", write(range(5)))

    assert "published 5 events: 0 new, 0 already there, 5 waiting for a worker" in answer.out


def test_what_is_new_and_what_was_there_is_said_once_workers_have_recorded_it(
    zik: Zik, write: Write, stream: EventStream, sqlite: Engine
) -> None:
    zik("import", "--user", "ada", write(range(5)))
    Drain(stream, sqlite, "a").run()

    answer = while_drained(lambda: zik("import", "--json", "--user", "ada", write(range(3, 10))), stream, sqlite)

    assert answer.json["outcomes"] == {"recorded": 5, "duplicate": 2, "dead": 0, "waiting": 0, "others": 0}


def while_drained(act: Callable[[], Any], stream: EventStream, database: Engine) -> Any:
    """Act while a drain runs each time that the books are read."""
    books = EventStream.books

    def drained_books(self: EventStream) -> Books:
        Drain(stream, database, "a").run()
        return books(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.stream.inspection.StreamInspector.books", drained_books)
        return act()


def test_the_events_of_others_are_not_counted_as_the_imports_own(zik: Zik, write: Write, stream: EventStream) -> None:
    stream.append([play_payload("Live")])

    answer = zik("import", "--user", "ada", write(range(5)))

    assert (
        "published 5 events; by the books since the import began, with 1 event of others: 0 new, 0 already there, "
        "6 waiting for a worker"
    ) in answer.out


def test_outcomes_are_differences_of_the_books() -> None:
    before = Books(100, 50, 20, 10, 20, 0, 0.0)
    after = Books(130, 90, 26, 11, 3, 0, 0.0)

    became = outcomes(before, after, published=30)

    assert (became.recorded, became.duplicate, became.dead, became.waiting, became.others) == (40, 6, 1, 3, 20)


def test_a_publisher_that_may_not_read_the_books_still_imports(
    zik: Zik, write: Write, monkeypatch: pytest.MonkeyPatch, stream: EventStream
) -> None:
    def may_not(_: Any) -> Any:
        raise StreamMisusedError("no permission")

    path = write(range(5))
    with monkeypatch.context() as patch:
        patch.setattr("worker.stream.inspection.StreamInspector.books", may_not)
        answer = zik("import", "--user", "ada", path)

    assert answer.code == 0
    assert "published 5 events\n" in answer.out
    assert stream.books().received == 5


def test_after_ctrl_c_every_figure_counts_what_was_published(
    zik: Zik, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, turns = Backpressure.append, iter((None, None, KeyboardInterrupt()))

    def interrupted(self: Backpressure, batch: list[bytes]) -> None:
        if error := next(turns):
            raise error
        append(self, batch)

    monkeypatch.setattr(Backpressure, "append", interrupted)

    answer = zik("import", "--json", "--user", "ada", write(range(5_000)))

    (file,) = answer.json["files"]
    assert answer.code == 130
    assert (file["published"], file["plays"], file["refused"]) == (2_000, 2_000, {})
    assert answer.json["outcomes"]["waiting"] == 2_000


def test_progress_is_shown_through_rows_without_an_event(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("Artist,Track,Time\n" + ",,soon\n" * 20_000)
    seen: list[int] = []

    with ExitStack() as opened:
        ((archive,), _) = open_archives([str(tmp_path / "x")], opened)
        archive.prepare(user="ada", has_timezone=False)
        importer = Importer(user="ada", now=NOW, publish=lambda _: None)
        _ = list(importer.import_part(archive, archive.parts[0], seen.append))

    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == (tmp_path / "x").stat().st_size


def test_options_place_the_times(zik: Zik, tmp_path: Path, stream: EventStream, sqlite: Engine) -> None:
    rows = ["One,2023-01-01T23:30:00Z", "Two,2023-06-01T02:00:00Z", "Three,1970-01-02T10:00:00Z", "Four,2023-06-01"]
    (tmp_path / "x").write_text("title,time,artist\n" + "".join(f"{row},Band\n" for row in rows))
    zones = ("--timezone", "Europe/Berlin", "--timezone", "America/New_York@2023-05-01")

    answer = zik("import", "--user", "ada", *zones, "--undated", "2011-06-01", "--shift=-1h", str(tmp_path / "x"))
    Drain(stream, sqlite, "a").run()

    assert answer.code == 0
    assert "1 event with a date and no time: recorded at noon, equal rows a second apart" in answer.out
    assert count(sqlite, "play_history", "utc_offset_minutes = 60 AND played_at = '2023-01-01 22:30:00.000000'") == 1
    assert count(sqlite, "play_history", "utc_offset_minutes = -240 AND played_at = '2023-06-01 01:00:00.000000'") == 1
    assert count(sqlite, "play_history", "utc_offset_minutes = 120 AND played_at = '2011-06-02 07:00:00.000000'") == 1
    assert count(sqlite, "play_history", "utc_offset_minutes = -240 AND played_at = '2023-06-01 15:00:00.000000'") == 1


def test_the_years_of_a_clock_that_was_not_set_are_named(zik: Zik, tmp_path: Path) -> None:
    rows = [f"{title},{year}-01-02T10:00:00Z,Band\n" for title, year in (("a", 1970), ("b", 1970), ("c", 1980))]
    (tmp_path / "x").write_text("title,time,artist\n" + "".join(rows))

    answer = zik("import", "--user", "ada", str(tmp_path / "x"))

    assert answer.code == 1
    assert "refused, because the player's clock was not set: 2 rows of 1970, 1 row of 1980; add --undated" in answer.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--timezone", "Europe/Berlin@May"), "a day must be as in 2023-05-01"),
        (("--timezone", "Europe/Berlin@2023-05-01"), "one zone must be without a day"),
        (("--timezone", "Europe/Berlin", "--timezone", "Asia/Tokyo"), "two zones from the same day"),
        (("--shift", "soon"), "must be days, hours and minutes"),
        (("--shift", "+"), "must be days, hours and minutes"),
        (("--undated", "1970-01-01"), "must be from 2002-01-01"),
        (("--undated", "June"), "a day must be as in"),
        (("--encoding", "klingon"), "no such encoding"),
        (("--encoding", "base64"), "no such encoding"),
    ],
)
def test_a_wrong_option_is_named(zik: Zik, write: Write, options: tuple[str, ...], says: str) -> None:
    answer = zik("import", "--user", "ada", *options, write(range(1)))

    assert answer.code == 2
    assert says in answer.err


def test_a_dry_run_says_nothing_of_outcomes(zik: Zik, write: Write) -> None:
    assert json.loads(zik("import", "--json", "--dry-run", "--user", "ada", write(range(2))).out)["outcomes"] is None


class Workers:
    """A stream whose workers record some events before each reading of the books."""

    def __init__(self, waiting: list[int], *, progress_s: float) -> None:
        self.waiting = waiting
        self.progress_s = progress_s

    def books(self) -> Books:
        return Books(100, 0, 0, 0, self.waiting.pop(0), 0, 0.0)

    def last_progress_s(self) -> dict[str, float]:
        return {"a": self.progress_s}


@pytest.mark.parametrize(
    ("progress_s", "readings"), [pytest.param(0.1, 3, id="busy workers"), pytest.param(99.0, 1, id="no worker")]
)
def test_the_end_waits_for_workers_that_are_busy(
    progress_s: float, readings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    workers = Workers([5, 3, 0], progress_s=progress_s)

    import_outcomes._settle(cast("StreamInspector", workers))

    assert len(workers.waiting) == 3 - readings
