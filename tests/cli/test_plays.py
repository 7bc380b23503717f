"""`zik plays` and `zik import undo`, as their users call them."""

import io
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.clients import UNREACHABLE
from tests.support.commands import Zik, zik_at
from tests.support.events import event_id, play, song
from tests.support.rollup_rows import record

SONG = {"album": "LP3", "album_artist": "Various", "artists": ["Tool", "Guest"], "duration_ms": 183_000}
EVENTS = [
    play(
        id=event_id(1),
        time="2021-04-22T20:00:00+02:00",
        source="a",
        context={"import": "one"},
        ms_played=9,
        song=song(**SONG),
    ),
    play(id=event_id(2), time="2021-04-22T21:00:00+02:00", source="b", song=song(title="[red]Schism")),
    play(id=event_id(3), time="2021-04-23T10:00:00+02:00", source="a", context={"import": "one"}),
]


@pytest.fixture
def zik(engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    """The command, with three plays of Ada. It needs no Redis."""
    record(engine, *EVENTS)
    return zik_at(engine, UNREACHABLE, monkeypatch, capfd)


def ids(zik: Zik, *options: str) -> list[int]:
    return [int(each["id"][-3:]) for each in zik("plays", "list", "--user", "ada", "--json", *options).json]


def plays(zik: Zik) -> int:
    counted: int = zik("stats", "--user", "ada", "--json").json["totals"][0]["plays"]
    return counted


def test_list_shows_a_play_with_all_that_is_known(zik: Zik) -> None:
    (first, *_) = zik("plays", "list", "-u", "ada", "--json").json
    assert first == {
        "id": event_id(1), "time": "2021-04-22T20:00:00+02:00", "artist": "Tool", "title": "Parabola", "ms_played": 9,
        **SONG, "source": "a", "import": "one", "deleted": False, "edited": False,
    }  # fmt: skip
    table = zik("plays", "list", "--user", "ada", "--title", "[red]schism").out
    assert "[red]Schism" in table
    assert "LP3" in zik("plays", "list", "--user", "ada").out
    assert event_id(2) in table
    assert event_id(1) not in table


def test_an_id_can_be_copied_from_a_narrow_terminal(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert event_id(1) in zik("plays", "list", "--user", "ada").out


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], [1, 2, 3]),
        (["--limit", "2"], [1, 2]),
        (["--day", "2021-04-22"], [1, 2]),
        (["--artist", "tool", "--title", "parabola"], [1, 3]),
        (["--source", "a"], [1, 3]),
        (["--import", "one"], [1, 3]),
        (["--deleted"], []),
    ],
)
def test_list_chooses(zik: Zik, options: list[str], wanted: list[int]) -> None:
    assert ids(zik, *options) == wanted


def test_delete_and_restore_by_choice(zik: Zik) -> None:
    assert zik("plays", "delete", "-u", "ada", "--source", "a", "--yes", "--json").json == {"deleted": 2}
    assert (ids(zik), ids(zik, "--deleted"), plays(zik)) == ([2], [1, 3], 1)
    assert zik("plays", "restore", "-u", "ada", "--day", "2021-04-23", "--json").json == {"restored": 1, "taken": 0}
    assert (ids(zik), ids(zik, "--deleted"), plays(zik)) == ([2, 3], [1], 2)
    assert "restored 1 play\n" in zik("plays", "restore", "-u", "ada", event_id(1)).out
    assert (ids(zik), plays(zik)) == ([1, 2, 3], 3)


def test_delete_asks_first(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    answer = zik("plays", "delete", "-u", "ada", event_id(1))
    assert "Delete 1 play?" in answer.out
    assert answer.code == 1
    assert ids(zik) == [1, 2, 3]
    assert "deleted 0 plays" in zik("plays", "delete", "-u", "ada", "--source", "nowhere").out


@pytest.mark.parametrize("command", ["delete", "restore"])
def test_nothing_is_chosen_by_chance(zik: Zik, command: str) -> None:
    answer = zik("plays", command, "-u", "ada")
    assert answer.code == 2
    assert "choose the plays" in answer.err


def test_edit_and_take_it_back(zik: Zik) -> None:
    change = ["-u", "ada", event_id(1), "--title", "Schism", "--ms-played", "77"]
    assert zik("plays", "edit", *change, "--json").json == {"edited": True}
    first, *_ = zik("plays", "list", "-u", "ada", "--json").json
    assert (first["title"], first["ms_played"], first["edited"]) == ("Schism", 77, True)
    assert "like this already" in zik("plays", "edit", *change).out
    assert "edited" in zik("plays", "list", "-u", "ada").out
    zik("plays", "restore", "-u", "ada", event_id(1))
    first, *_ = zik("plays", "list", "-u", "ada", "--json").json
    assert (first["title"], first["ms_played"], first["edited"]) == ("Parabola", 9, False)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ([], "say what to change"),
        (["--time", "yesterday"], "time: "),
        (["--time", "2021-04-23T10:00:00+02:00"], event_id(3)),
    ],
)
def test_a_wrong_edit_says_what_is_wrong(zik: Zik, change: list[str], complaint: str) -> None:
    answer = zik("plays", "edit", "-u", "ada", event_id(1), *change)
    assert answer.code != 0
    assert complaint in answer.err
    assert "Traceback" not in answer.err


def test_an_import_is_undone_and_brought_back(zik: Zik) -> None:
    listed = zik("import", "undo", "--user", "ada", "--json").json
    assert [(each["import_id"], each["plays"], each["deleted"]) for each in listed] == [("one", 2, 0)]
    assert "deleted 2 plays" in zik("import", "undo", "--user", "ada", "one", "--yes").out
    assert ids(zik) == [2]
    assert "one" in zik("import", "undo", "--user", "ada").out
    assert "restored 2 plays" in zik("plays", "restore", "-u", "ada", "--import", "one").out
    assert ids(zik) == [1, 2, 3]


def test_a_file_of_the_name_undo_can_be_imported(zik: Zik, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "./undo" in zik("import", "./undo").err
