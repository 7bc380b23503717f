"""`zik song show` and `set`, and `zik top --by`, as their users call them; and one song on several albums."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.clients import UNREACHABLE
from tests.support.commands import Zik, zik_at
from tests.support.events import event_id, play, song
from tests.support.rollup_rows import record
from worker.contract.identity import song_identity

DAYS_LONG_MS = 24 * 86_400_000 - 1


@pytest.fixture
def zik(engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    """The command. It needs no Redis."""
    return zik_at(engine, UNREACHABLE, monkeypatch, capfd)


def heard(number: int, *, user: str = "ada", ms_played: Any = ..., **facts: Any) -> dict[str, Any]:
    of = song(**({"album": ..., "duration_ms": ...} | facts))
    return play(id=event_id(number), user=user, time=f"2021-04-22T0{number}:00:00Z", song=of, ms_played=ms_played)


def listens(zik: Zik, kind: str) -> dict[str, int]:
    rows = zik("top", kind, "--user", "ada", "--csv").rows
    return {row["title"] or row["artist"]: int(row["listens"]) for row in rows}


def test_one_song_on_three_albums_is_three_albums(engine: Engine, zik: Zik) -> None:
    albums = ("Studio Album", "Greatest Hits", "Live in Town", "Greatest Hits")
    record(engine, *(heard(number, album=album) for number, album in enumerate(albums)))
    assert listens(zik, "albums") == {"Greatest Hits": 2, "Studio Album": 1, "Live in Town": 1}
    assert listens(zik, "songs") == {"Parabola": 4}


def test_guests_count_and_leave_the_album_whole(engine: Engine, zik: Zik) -> None:
    guests: tuple[list[str], ...] = ([], ["Guest A"], ["Guest B"], ["Guest A"])
    for number, listed in enumerate(guests):
        artist = " feat. ".join(["Main Band", *listed])
        record(engine, heard(number, title=str(number), album="LP3", artist=artist, artists=["Main Band", *listed]))
    assert listens(zik, "artists") == {"Main Band": 4, "Guest A": 2, "Guest B": 1}
    (album,) = zik("top", "albums", "--user", "ada", "--csv").rows
    assert (album["title"], album["artist"], album["listens"]) == ("LP3", "Main Band", "4")
    assert zik("stats", "--user", "ada", "--csv").rows[0]["artists"] == "3"


def test_show_lists_what_was_told_with_the_number_of_plays(engine: Engine, zik: Zik) -> None:
    record(
        engine,
        heard(1, album="Lateralus", duration_ms=183_000),
        heard(2, album="Lateralus", duration_ms=DAYS_LONG_MS, user="bob"),
        heard(3, duration_ms=183_000),
    )
    shown = zik("song", "show", "TOOL", "parabola", "--json").json
    assert shown["identity"] == song_identity("Tool", "Parabola")
    assert shown["durations"] == [{"value": 183_000, "plays": 2}, {"value": DAYS_LONG_MS, "plays": 1}]
    assert shown["albums"] == [{"value": "Lateralus", "plays": 2}, {"value": None, "plays": 1}]
    assert (shown["plays"], shown["counts_as"], shown["duration_set_ms"]) == (3, None, None)
    table = zik("song", "show", "Tool", "Parabola").out
    assert "3:03 (2 plays)" in table
    assert "575:59:59, not counted (1 play)" in table


def test_a_duration_set_by_hand_stays_until_it_is_taken_back(engine: Engine, zik: Zik) -> None:
    def skips() -> int:
        return int(zik("stats", "--user", "ada", "--csv").rows[0]["skips"])

    record(engine, heard(1, ms_played=100_000, duration_ms=183_000))
    assert skips() == 0
    assert zik("song", "set", "Tool", "Parabola", "--duration", "4:05", "--json").json == {"changed": 1}
    assert zik("song", "set", "Tool", "Parabola", "--duration", "4:05", "--json").json == {"changed": 0}
    assert skips() == 1
    record(engine, heard(2, ms_played=100_000, duration_ms=183_000))
    assert skips() == 2
    zik("song", "set", "Tool", "Parabola", "--duration", "none")
    assert skips() == 0


@pytest.mark.parametrize("duration", ["0:00", "4:5", "4:60", "24:00:01", "-1:00", "245", "long", "1:2:03"])
def test_no_other_duration_is_set(engine: Engine, zik: Zik, duration: str) -> None:
    record(engine, heard(1))
    answer = zik("song", "set", "Tool", "Parabola", "--duration", duration)
    assert (answer.code, "as in 4:05" in answer.err) == (2, True)


@pytest.mark.parametrize("command", [("show",), ("set", "--duration", "none")])
def test_an_unknown_song_is_named(zik: Zik, command: tuple[str, ...]) -> None:
    name, *options = command
    answer = zik("song", name, "Nobody", "Nothing", *options)
    assert answer.code == 1
    assert "'Nothing' by 'Nobody'" in answer.err


def test_top_by_plays_and_time_rank_what_is_skipped_too(engine: Engine, zik: Zik) -> None:
    record(
        engine,
        *(heard(number, title="skipped", ms_played=1) for number in range(3)),
        heard(4, title="long", ms_played=900_000),
        heard(5, title="unknown"),
        heard(6, title="unknown"),
    )

    def titles(*options: str, whose: tuple[str, ...] = ("--user", "ada")) -> list[str]:
        return [row["title"] for row in zik("top", "songs", *whose, "--csv", *options).rows]

    assert titles() == ["unknown", "long"]
    assert titles("--by", "plays") == ["skipped", "unknown", "long"]
    assert titles("--by", "time") == ["long", "skipped"]
    assert titles("--by", "plays", whose=("--everyone",)) == ["skipped", "unknown", "long"]
    assert "15 min" in zik("top", "songs", "--user", "ada", "--by", "time").out
