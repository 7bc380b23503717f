"""`zik song merge`, `split` and `twins`, and `zik artist`, as their user calls them."""

import pytest
from sqlalchemy import Engine

from tests.support.commands import Zik, zik_at
from tests.support.events import play, song
from tests.support.rollup_rows import record

NAMES = (("Tool", "Schism"), ("Tool", "Schism (Remastered)"), ("T\x1bool", "Lie"))


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    for minute, (artist, title) in enumerate(
        (("Tool", "Schism"), ("Tool", "Schism (Remastered)"), ("T\x1bool", "Lie"))
    ):
        record(engine, play(time=f"2021-04-22T00:0{minute}:00Z", song=song(artist=artist, title=title)))
    return zik_at(engine, redis_url, monkeypatch, capfd)


def songs(zik: Zik) -> list[str]:
    return [row["title"] for row in zik("top", "songs", "--user", "ada", "--csv").rows]


def test_a_song_is_merged_by_its_names_and_split_by_its_number(zik: Zik) -> None:
    (suggested,) = zik("song", "twins", "--json").json
    assert zik("song", "twins", "--artist", "Nobody", "--json").json == []
    assert "one names an edition in brackets" in zik("song", "twins").out.replace("\n", " ")
    answer = zik("song", "merge", "Tool", "Schism (Remastered)", "tool", "schism")
    assert (answer.code, "Schism (Remastered) by Tool counts as Schism by Tool" in answer.out) == (0, True)
    assert sorted(songs(zik)) == ["Lie", "Schism"]
    number, into = str(suggested["song_id"]), str(suggested["into_id"])
    assert zik("song", "split", number, "--json").json["from"] == "merge"
    assert sorted(songs(zik)) == ["Lie", "Schism", "Schism (Remastered)"]
    assert zik("song", "merge", number, into, "--json").json["into"]["title"] == "Schism"
    assert "is merged no more" in zik("song", "split", "Tool", "Schism (Remastered)").out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("song", "merge", "Tool", "Schism", "Tool"), 2, "artist and title of both songs"),
        (("song", "merge", "Tool", "Schism"), 2, "one word names no song"),
        (("song", "split", "a", "b", "c"), 2, "name artist and title"),
        (("song", "split", "99999999"), 1, "there is no song 99999999"),
        (("song", "split", "Tool", "Schism"), 1, "counts for itself"),
        (("song", "merge", "Tool", "Schism", "Tool", "Nothing"), 1, "unknown song"),
        (("artist", "merge", "Tool", "Nobody"), 1, "no song has an artist of that name"),
        (("artist", "split", "Tool"), 1, "is not merged"),
    ],
)
def test_what_cannot_be_done_is_said(zik: Zik, words: tuple[str, ...], code: int, says: str) -> None:
    answer = zik(*words)
    assert (answer.code, says in answer.err.replace("\n", " ")) == (code, True)


def test_an_artist_is_merged_and_split(zik: Zik) -> None:
    answer = zik("artist", "merge", "T\x1bool", "Tool")
    assert (answer.code, answer.out) == (
        0, "T\\u001bool counts as Tool: filed 1 song; charts for everyone follow within the hour\n",
    )  # fmt: skip
    assert [row["artist"] for row in zik("top", "artists", "--user", "ada", "--csv").rows] == ["Tool"]
    assert zik("artist", "split", "t\x1bool", "--json").json == {"filed": 3}
