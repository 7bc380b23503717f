"""Parameters as clients send them; where each is from stands beside it."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import assert_judged_as_by_a_worker, texts
from tests.support.strategies import CHEAP
from worker.contract.events import FavoriteEvent, PlayEvent, SongRef
from worker.errors import MalformedRequestError
from worker.protocols import lastfm
from worker.protocols.lastfm import Ignored, Scrobble

Params = dict[str, str]

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)
MBID: Final = "98255a8c-017a-4bc7-8dd6-1fa36124572b"
SONG: Final[Params] = {"artist": "Rick Astley", "track": "Never Gonna Give You Up", "timestamp": "1443521965"}
REQUEST: Final[Params] = {"method": "track.scrobble", "api_key": "k", "api_sig": "s", "sk": "x", "format": "json"}
# kawaiiDango/pano-scrobbler, api/lastfm/Lastfm.kt, for one track.
PANO: Final[Params] = {
    **REQUEST, **SONG, "duration": "222", "album": "Whenever", "trackNumber": "1", "albumArtist": "Rick Astley",
    "chosenByUser": "1",
}  # fmt: skip


def indexed(*tracks: Params) -> Params:
    """As pylast and Web Scrobbler send them, also a single one."""
    return REQUEST | {f"{name}[{i}]": value for i, track in enumerate(tracks) for name, value in track.items()}


def scrobbles(params: Params) -> list[Scrobble]:
    return list(lastfm.scrobbles_of(params, user="ada", client="Pano Scrobbler", now=NOW))


def play_of(params: Params) -> PlayEvent:
    (one,) = scrobbles(params)
    assert isinstance(one.item.event, PlayEvent), one.item.error
    return one.item.event


def test_a_scrobble_of_pano_scrobbler_is_a_play_with_all_of_its_facts() -> None:
    play = play_of(PANO)
    assert (play.user, play.time.at, play.time.offset_minutes, play.source) == ("ada", AT, None, "Pano Scrobbler")
    assert play.song == SongRef(
        "Never Gonna Give You Up", "Rick Astley", "Whenever", 222_000, album_artist="Rick Astley"
    )
    assert play.context == {"trackNumber": "1"}


def test_an_index_changes_nothing() -> None:
    track = {name: value for name, value in PANO.items() if name not in REQUEST}
    assert play_of(indexed(track)) == play_of(PANO)


def test_a_batch_keeps_its_order_by_number_and_not_by_text() -> None:
    tracks = [{**SONG, "track": f"Track {number}"} for number in range(60)]
    params = dict(sorted(indexed(*tracks).items()))
    assert [one.sent["track"] for one in scrobbles(params)] == [f"Track {number}" for number in range(60)]


def test_what_the_user_did_not_choose_and_the_mbid_are_kept() -> None:
    play = play_of({**SONG, "mbid": MBID, "chosenByUser": "0", "streamId": "5"})
    assert play.song.ids == {"mbid": MBID}
    assert play.context == {"chosenByUser": "0", "streamId": "5"}


@pytest.mark.parametrize(
    ("change", "ignored"),
    [({"artist": ""}, Ignored.ARTIST), ({"track": " "}, Ignored.TRACK), ({"artist": "x" * 501}, Ignored.ARTIST),
     ({"artist": "a\0"}, Ignored.ARTIST), ({"track": "a\0"}, Ignored.TRACK),
     ({"timestamp": "915148800"}, Ignored.TOO_OLD),
     ({"timestamp": "1443521965000"}, Ignored.TOO_NEW), ({"timestamp": "4102444800"}, Ignored.TOO_NEW),
     ({"timestamp": "soon"}, Ignored.TOO_OLD), ({"timestamp": ""}, Ignored.TOO_OLD)],
)  # fmt: skip
def test_a_bad_track_is_ignored_with_last_fms_code_and_costs_no_other(change: Params, ignored: Ignored) -> None:
    first, bad, last = scrobbles(indexed(SONG, {**SONG, **change}, {**SONG, "track": "Other"}))
    assert (first.ignored, bad.ignored, last.ignored) == (Ignored.NOT, ignored, Ignored.NOT)
    assert bad.item.event is None
    assert_judged_as_by_a_worker(bad.item)


@pytest.mark.parametrize("missing", ["artist", "track", "timestamp"])
def test_a_track_without_a_required_parameter_is_ignored(missing: str) -> None:
    (bad,) = scrobbles({name: value for name, value in SONG.items() if name != missing})
    assert bad.ignored != Ignored.NOT
    assert bad.item.error is not None
    assert bad.item.error.reason == "missing_field"


def test_parameters_of_the_request_are_no_facts_of_the_track() -> None:
    for change in ({}, {"artist": ""}):
        (one,) = scrobbles({**PANO, "sk": "secret", "token": "secret", "authToken": "secret", **change})
        assert b"secret" not in one.item.payload


def test_a_request_without_a_track_is_malformed() -> None:
    with pytest.raises(MalformedRequestError):
        scrobbles(REQUEST)


def test_what_is_playing_now_needs_no_time() -> None:
    # As Web Scrobbler sends it, in the query; its method is in lower case.
    params = {"method": "track.updatenowplaying", "track": "Parabola", "artist": "Tool", "album": "Lateralus"}
    playing = lastfm.playing_of({**params, "duration": "183", "sk": "x"}, user="ada", client=None, now=NOW)
    assert playing.song == {"title": "Parabola", "artist": "Tool", "album": "Lateralus", "duration_ms": 183_000}
    with pytest.raises(MalformedRequestError, match=r"song\.artist"):
        lastfm.playing_of({"track": "Parabola"}, user="ada", client=None, now=NOW)


@pytest.mark.parametrize("loved", [True, False])
def test_a_love_is_a_favorite_of_now(loved: bool) -> None:  # noqa: FBT001 -- A parameter of the test.
    item = lastfm.love_of({"track": "Parabola", "artist": "Tool"}, loved=loved, user="ada", client="pylast", now=NOW)
    assert isinstance(item.event, FavoriteEvent)
    assert (item.event.favorite, item.event.time.at, item.event.source) == (loved, NOW, "pylast")
    assert item.event.song == SongRef("Parabola", "Tool")


def test_a_love_of_no_song_is_malformed() -> None:
    for params in ({}, {"track": "Parabola"}, {"artist": "", "track": "x"}):
        with pytest.raises(MalformedRequestError):
            lastfm.love_of(params, loved=True, user="ada", client=None, now=NOW)


def test_a_login_has_a_password_or_a_proof() -> None:
    assert lastfm.login_of({"username": "ada", "password": "secret"}) == ("ada", "secret", None)
    assert lastfm.login_of({"username": "ada", "authToken": "0" * 32, "password": ""}) == ("ada", None, "0" * 32)
    for params in ({"username": "ada"}, {"password": "secret"}, {}):
        with pytest.raises(MalformedRequestError):
            lastfm.login_of(params)


_NAMES: Final = st.sampled_from(
    [*PANO, "mbid", "context", "streamId", "artist[0]", "track[0]", "timestamp[0]", "x[9999]"]
)


@CHEAP
@given(st.dictionaries(_NAMES | texts, texts, max_size=9))
def test_any_parameters_are_judged_as_by_a_worker(params: Params) -> None:
    for read in (scrobbles, lambda sent: lastfm.love_of(sent, loved=True, user="ada", client=None, now=NOW)):
        try:
            answer: Any = read(params)
        except MalformedRequestError:
            continue
        for one in answer if isinstance(answer, list) else []:
            assert_judged_as_by_a_worker(one.item)
            assert (one.ignored == Ignored.NOT) == (one.item.event is not None)


@CHEAP
@given(
    st.dictionaries(st.sampled_from(["album", "albumArtist", "duration", "mbid", "trackNumber", "chosenByUser"]), texts)
)
def test_no_optional_parameter_costs_a_play(facts: Params) -> None:
    assert play_of({**facts, **SONG}).song.name == ("Rick Astley", "Never Gonna Give You Up")
