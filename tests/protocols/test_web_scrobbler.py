"""Notices as src/core/scrobbler/webhook-scrobbler.ts writes them, with the songs of src/core/object/song.ts."""

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import anything, as_sent, assert_judged_as_by_a_worker
from tests.support.strategies import CHEAP
from worker.contract.events import FavoriteEvent, PlayEvent, SongRef
from worker.errors import MalformedRequestError
from worker.protocols import web_scrobbler
from worker.protocols.submission import Notice

Fields = dict[str, Any]

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)
NO_CORRECTION: Final = dict.fromkeys(("track", "album", "artist", "albumArtist", "duration"))
SONG: Final[Fields] = {
    "parsed": {
        "track": "Parabola", "artist": "Tool", "albumArtist": "Tool", "album": "Lateralus", "duration": 183,
        "uniqueID": "x", "originUrl": "https://www.youtube.com/watch?v=x", "isPlaying": True, "currentTime": 120.5,
        "trackArt": "https://i.ytimg.com/x.jpg",
    },
    "processed": NO_CORRECTION,
    "noRegex": NO_CORRECTION,
    "flags": {"isScrobbled": False, "isValid": True},
    "metadata": {"startTimestamp": 1443521965, "label": "YouTube"},
    "connector": {"label": "YouTube", "id": "youtube"},
}  # fmt: skip


def sent(event: str, song: Any = SONG, **data: Any) -> Fields:
    return {"eventName": event, "time": 1443522085123, "data": {"song": song, **data}}


def notice(body: Any) -> Notice:
    return web_scrobbler.notice_of(as_sent(body), user="ada", now=NOW)


def play_of(song: Any) -> PlayEvent:
    (item,) = notice(sent("scrobble", song)).items
    assert isinstance(item.event, PlayEvent), item.error
    return item.event


def test_a_scrobble_is_a_play_from_its_start_on() -> None:
    play = play_of(SONG)
    assert (play.user, play.time.at, play.source, play.ms_played) == ("ada", AT, "Web Scrobbler", None)
    assert play.song == SongRef("Parabola", "Tool", "Lateralus", 183_000, album_artist="Tool")
    assert play.context == {
        "music_service_name": "YouTube", "origin_url": "https://www.youtube.com/watch?v=x",
    }  # fmt: skip


def test_what_was_corrected_wins() -> None:
    corrected = {
        "track": "Parabol",
        "artist": "TOOL",
        "album": "Lateralus (2001)",
        "albumArtist": None,
        "duration": 184,
    }
    assert play_of({**SONG, "processed": corrected}).song == SongRef(
        "Parabol", "TOOL", "Lateralus (2001)", 183_000, album_artist="Tool"
    )


def test_several_songs_that_waited_are_several_plays_and_the_first_counts_once() -> None:
    songs = [SONG, {**SONG, "metadata": {"startTimestamp": 1443522200}}, {**SONG, "parsed": {}}]
    said = notice(sent("scrobble", songs=songs, currentlyPlaying=False))
    assert [item.event is not None for item in said.items] == [True, True, False]


def test_a_start_in_milliseconds_is_refused_by_a_text_that_names_seconds() -> None:
    (item,) = notice(sent("scrobble", {**SONG, "metadata": {"startTimestamp": 1443521965000}})).items
    assert item.error is not None
    assert item.error.detail.startswith("metadata.startTimestamp: must be in seconds since 1970, not in milliseconds")


@pytest.mark.parametrize("loved", [True, False])
def test_a_love_counts_from_when_it_was_sent(loved: bool) -> None:  # noqa: FBT001 -- A parameter of the test.
    (item,) = notice(sent("loved", isLoved=loved)).items
    assert isinstance(item.event, FavoriteEvent)
    assert item.event.favorite is loved
    assert item.event.time.at == datetime(2015, 9, 29, 10, 21, 25, 123000, tzinfo=UTC)


@pytest.mark.parametrize("time", [None, 4102444800000, 10**400, "x", True, -1])
def test_a_love_of_an_implausible_time_counts_from_now(time: Any) -> None:
    (item,) = notice({**sent("loved", isLoved=True), "time": time}).items
    assert item.event is not None
    assert item.event.time.at == NOW


@pytest.mark.parametrize("event", ["nowplaying", "resumedplaying"])
def test_what_plays_is_playing_now(event: str) -> None:
    playing = notice(sent(event)).playing
    assert playing is not None
    named = {"title": "Parabola", "artist": "Tool", "album": "Lateralus", "album_artist": "Tool"}
    assert playing.song == {**named, "duration_ms": 183_000}


def test_what_is_paused_is_playing_no_more_and_what_is_unknown_is_ignored() -> None:
    assert notice(sent("paused")) == Notice(is_silent=True)
    assert notice(sent("removed")) == Notice()


@pytest.mark.parametrize("body", [5, [], {}, {"eventName": "scrobble"}, sent("nowplaying", None), sent("loved", {})])
def test_what_is_no_notice_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedRequestError):
        notice(body)


@CHEAP
@given(
    st.sampled_from(["scrobble", "loved", "nowplaying"]),
    anything,
    anything,
    st.dictionaries(st.sampled_from([*SONG]), anything),
)
def test_any_notice_is_judged_as_by_a_worker(event: str, songs: Any, time: Any, song: Fields) -> None:
    try:
        said = notice({**sent(event, {**SONG, **song}, songs=songs), "time": time})
    except MalformedRequestError:
        return
    for item in said.items:
        assert_judged_as_by_a_worker(item)


@CHEAP
@given(
    st.dictionaries(
        st.sampled_from(["albumArtist", "album", "duration", "originUrl", "isPodcast", "currentTime"]), anything
    ),
    st.dictionaries(st.sampled_from(["label", "albumMbId", "trackUrl"]), anything),
    anything,
)
def test_no_optional_fact_costs_a_play(parsed: Fields, metadata: Fields, connector: Any) -> None:
    song = {
        "parsed": {**SONG["parsed"], **parsed},
        "metadata": {**SONG["metadata"], **metadata},
        "connector": connector,
    }
    assert play_of(song).time.at == AT
