"""`zik user leave-out`, `count-again` and `left-out`, as their user calls them."""

import pytest
from sqlalchemy import Engine

from tests.support.commands import Zik, zik_at
from tests.support.events import play, song
from tests.support.rollup_rows import record

NAMES = (("Tool", "Schism"), ("Tool", "Lie"), ("T\x1bool", "Lie"))


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    for minute, (artist, title) in enumerate(NAMES):
        record(engine, play(time=f"2021-04-22T00:0{minute}:00Z", song=song(artist=artist, title=title)))
    return zik_at(engine, redis_url, monkeypatch, capfd)


def songs(zik: Zik) -> list[str]:
    return [row["title"] for row in zik("top", "songs", "--user", "ada", "--csv").rows]


def test_a_song_is_left_out_listed_and_counted_again(zik: Zik) -> None:
    before = songs(zik)
    answer = zik("user", "leave-out", "ada", "--song", "tool", "SCHISM")
    assert (answer.code, answer.out) == (0, "SCHISM by tool is left out of the statistics of ada\n")
    assert "already, and nothing was changed" in zik("user", "leave-out", "ada", "--song", "Tool", "Schism").out
    assert songs(zik) == ["Lie", "Lie"]
    (listed,) = zik("user", "left-out", "ada", "--json").json
    assert (listed["artist"], listed["title"]) == ("tool", "SCHISM")
    assert "SCHISM" in zik("user", "left-out", "ada").out
    answer = zik("user", "count-again", "ada", "--song", "Tool", "Schism")
    assert (answer.code, answer.out) == (0, "Schism by Tool counts in the statistics of ada\n")
    assert zik("user", "count-again", "ada", "--song", "Tool", "Schism", "--json").json == {"changed": False}
    assert songs(zik) == before


def test_an_artist_is_left_out_with_every_song(zik: Zik) -> None:
    assert zik("user", "leave-out", "ada", "--artist", "TOOL", "--json").json == {"changed": True}
    assert songs(zik) == ["Lie"]
    assert "every one" in zik("user", "left-out", "ada").out
    assert "T\\u001bool is left out" in zik("user", "leave-out", "ada", "--artist", "T\x1bool").out
    assert songs(zik) == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("leave-out", "ada"), 2, "name one artist"),
        (("leave-out", "ada", "--artist", "Tool", "--song", "Tool", "Lie"), 2, "name one artist"),
        (("leave-out", "ada", "--artist", "Toool"), 1, "unknown artist 'Toool'"),
        (("leave-out", "ada", "--song", "Tool", "Lies"), 1, "unknown song 'Lies' by 'Tool'"),
        (("leave-out", "Ada", "--artist", "Tool"), 1, "unknown user 'Ada'"),
        (("left-out", "Ada"), 1, "unknown user 'Ada'"),
    ],
)
def test_what_cannot_be_done_is_said(zik: Zik, words: tuple[str, ...], code: int, says: str) -> None:
    answer = zik("user", *words)
    assert (answer.code, says in answer.err.replace("\n", " ")) == (code, True)
