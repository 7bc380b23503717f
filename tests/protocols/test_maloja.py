"""Parameters by maloja/apis/native_v1.py, and as Web Scrobbler sends them (maloja-scrobbler.ts)."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import anything, assert_judged_as_by_a_worker
from tests.support.strategies import CHEAP
from worker.contract.events import PlayEvent, SongRef
from worker.protocols import maloja
from worker.protocols.submission import Item

Fields = dict[str, Any]

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)
WEB_SCROBBLER: Final[Fields] = {
    "artist": "Rick Astley", "title": "Never Gonna Give You Up", "time": 1443521965, "album": "Whenever",
    "albumartists": ["Rick Astley"], "key": "secret",
}  # fmt: skip
FORM: Final[Fields] = {
    "artist": ["Salt", "Pepa"], "title": "Push It", "time": "1443521965", "length": "270", "duration": "200",
    "key": "secret", "nofix": "",
}  # fmt: skip


def scrobble(params: Fields) -> Item:
    return maloja.scrobble_of(params, user="ada", client="Web Scrobbler", now=NOW)


def play_of(params: Fields) -> PlayEvent:
    item = scrobble(params)
    assert isinstance(item.event, PlayEvent), item.error
    return item.event


def test_a_scrobble_of_web_scrobbler_is_a_play() -> None:
    play = play_of(WEB_SCROBBLER)
    assert (play.user, play.time.at, play.source) == ("ada", AT, "Web Scrobbler")
    assert play.song == SongRef("Never Gonna Give You Up", "Rick Astley", "Whenever", album_artist="Rick Astley")
    assert play.context is None


def test_a_form_may_repeat_the_artist_and_tells_what_was_heard() -> None:
    play = play_of(FORM)
    assert play.song == SongRef("Push It", "Salt, Pepa", None, 270_000, artists=("Salt", "Pepa"))
    assert play.ms_played == 200_000
    assert play.context is None


@pytest.mark.parametrize(
    "artists",
    [{"artists": ["Salt", "Pepa"]}, {"artist": "Salt", "artists": ["Pepa"]}, {"artist": ["Salt", "", "Pepa"]},
     {"artists": "Salt, Pepa"}],
)  # fmt: skip
def test_artists_are_joined_as_in_an_import(artists: Fields) -> None:
    assert play_of({"title": "Push It", "time": 1443521965, **artists}).song.artist == "Salt, Pepa"


@pytest.mark.parametrize("time", [..., None, "", 0, []])
def test_a_scrobble_without_a_time_began_now(time: Any) -> None:
    params = {**WEB_SCROBBLER, "time": time}
    assert play_of({name: value for name, value in params.items() if value is not ...}).time.at == NOW


@pytest.mark.parametrize(
    ("change", "detail"),
    [({"artist": ""}, "song.artist"), ({"artist": []}, "song.artist"), ({"artist": [5]}, "song.artist"),
     ({"title": None}, "song.title"), ({"time": 1443521965000}, "time: must be in seconds since 1970, not in"),
     ({"time": "soon"}, "time")],
)  # fmt: skip
def test_a_bad_scrobble_names_its_fault_and_shows_no_key(change: Fields, detail: str) -> None:
    item = scrobble({**WEB_SCROBBLER, "token": "secret", **change})
    assert item.error is not None
    assert item.error.detail.startswith(detail)
    assert b"secret" not in item.payload
    assert_judged_as_by_a_worker(item)
    status, body = maloja.answer(item)
    assert (status, body["status"], body["error"]["type"]) == (400, "failure", "missing_scrobble_data")


def test_a_good_scrobble_is_a_success() -> None:
    status, body = maloja.answer(scrobble(WEB_SCROBBLER))
    assert (status, body["status"], body["track"]["title"]) == (200, "success", "Never Gonna Give You Up")


def test_all_artists_are_in_the_answer() -> None:
    _, body = maloja.answer(scrobble(FORM))
    assert list(body["track"]["artists"]) == ["Salt", "Pepa"]
    _, body = maloja.answer(scrobble(WEB_SCROBBLER))
    assert list(body["track"]["artists"]) == ["Rick Astley"]


def test_a_list_of_one_artist_is_a_list_and_a_text_is_none() -> None:
    assert play_of({"title": "x", "artists": ["Salt & Pepa"], "time": 1443521965}).song.artists == ("Salt & Pepa",)
    assert play_of({"title": "x", "artist": "Salt & Pepa", "time": 1443521965}).song.artists is None
    assert play_of({"title": "x", "artist": "a", "albumartists": ["Salt", "Pepa"]}).song.album_artist == "Salt, Pepa"


def test_the_key_is_the_token() -> None:
    assert maloja.key_of(WEB_SCROBBLER) == "secret"
    assert maloja.key_of({"key": ["other", "secret"]}) == "secret"
    without: list[Fields] = [{}, {"key": ""}, {"key": 5}, {"key": []}]
    assert [maloja.key_of(params) for params in without] == [None] * 4


@CHEAP
@given(st.dictionaries(st.sampled_from([*WEB_SCROBBLER, *FORM, "artists"]) | st.text(max_size=3), anything))
def test_any_parameters_are_judged_as_by_a_worker(params: Fields) -> None:
    for sent in (params, {**WEB_SCROBBLER, **params}):
        assert_judged_as_by_a_worker(scrobble(sent))


@CHEAP
@given(st.dictionaries(st.sampled_from(["album", "albumartists", "duration", "length", "nofix"]) | st.text(), anything))
def test_no_optional_parameter_costs_a_play(facts: Fields) -> None:
    required = {name: WEB_SCROBBLER[name] for name in ("artist", "title", "time")}
    assert play_of({**facts, **required, "artists": []}).time.at == AT
