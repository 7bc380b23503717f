"""Payloads as in Plex's documentation and in tacoded/plex-webhook's sample-payload.md, for a track."""

from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import anything, as_sent, assert_judged_as_by_a_worker
from tests.support.strategies import CHEAP
from worker.contract.events import FavoriteEvent, PlayEvent, SongRef
from worker.errors import MalformedRequestError
from worker.protocols import plex
from worker.protocols.submission import Notice

Fields = dict[str, Any]

MBID: Final = "98255a8c-017a-4bc7-8dd6-1fa36124572b"
TRACK: Final[Fields] = {
    "librarySectionType": "artist", "ratingKey": "73894", "type": "track", "title": "What a Wonderful World",
    "grandparentTitle": "Various Artists", "parentTitle": "Good Morning, Vietnam", "originalTitle": "Louis Armstrong",
    "index": 19, "duration": 136411, "Guid": [{"id": f"mbid://{MBID}"}], "viewCount": 3, "lastViewedAt": 1728182712,
}  # fmt: skip


def sent(event: str, track: Any = TRACK, **more: Any) -> Fields:
    return {
        "event": event, "user": False, "owner": True, "Account": {"id": 1, "title": "elan"},
        "Server": {"title": "Office", "uuid": "5466"}, "Player": {"local": True, "title": "Plexamp"}, "Metadata": track,
        **more,
    }  # fmt: skip


def notice(payload: Any, account: str | None = None) -> Notice:
    return plex.notice_of(as_sent(payload), user="ada", account=account, now=NOW)


def play_of(track: Any) -> PlayEvent:
    (item,) = notice(sent("media.scrobble", track)).items
    assert isinstance(item.event, PlayEvent), item.error
    return item.event


def test_a_scrobble_began_nine_tenths_of_the_song_ago() -> None:
    play = play_of(TRACK)
    # Nine tenths of 136,411 ms are 122.77 s, before noon.
    assert play.time.at == NOW - timedelta(seconds=123)
    assert (play.user, play.source, play.ms_played) == ("ada", "Plex", None)
    assert play.song == SongRef(
        "What a Wonderful World",
        "Louis Armstrong",
        "Good Morning, Vietnam",
        136_411,
        {"track_mbid": MBID},
        album_artist="Various Artists",
    )
    assert play.context == {
        "player": "Plexamp", "server": "Office", "account": "elan", "tracknumber": 19,
    }  # fmt: skip


def test_a_track_without_an_artist_of_its_own_is_by_the_albums() -> None:
    track = {name: value for name, value in TRACK.items() if name != "originalTitle"}
    play = play_of({**track, "grandparentTitle": "Tool"})
    assert play.song.artist == "Tool"
    assert play.context is not None
    assert play.song.album_artist is None


def test_without_a_duration_the_play_counts_from_its_report() -> None:
    assert play_of({**TRACK, "duration": None}).time.at == NOW


@pytest.mark.parametrize(
    ("rating", "loved"), [(10, True), ("10", True), (10.0, True), (8, False), (0, False), (-1, False)]
)
def test_five_stars_are_a_favorite_and_fewer_take_it_back(rating: Any, loved: bool) -> None:  # noqa: FBT001 -- A parameter of the test.
    for payload in (sent("media.rate", rating=rating), sent("media.rate", {**TRACK, "userRating": rating})):
        (item,) = notice(payload).items
        assert isinstance(item.event, FavoriteEvent)
        assert (item.event.favorite, item.event.time.at, item.event.song.artist) == (loved, NOW, "Louis Armstrong")


@pytest.mark.parametrize("rating", [None, "many", [], {}])
def test_a_rating_that_is_none_says_nothing(rating: Any) -> None:
    assert notice(sent("media.rate", {**TRACK, "userRating": rating})) == Notice()


@pytest.mark.parametrize("event", ["media.play", "media.resume"])
def test_what_plays_is_playing_now(event: str) -> None:
    playing = notice(sent(event)).playing
    assert playing is not None
    assert playing.song["artist"] == "Louis Armstrong"
    assert playing.source == "Plex"


@pytest.mark.parametrize("event", ["media.pause", "media.stop"])
def test_what_is_stopped_is_playing_no_more(event: str) -> None:
    assert notice(sent(event)) == Notice(is_silent=True)


@pytest.mark.parametrize(
    "payload", [sent("library.new"), sent("media.scrobble", {**TRACK, "type": "episode"}), sent("media.stop", None),
                sent("admin.database.backup", [])],
)  # fmt: skip
def test_what_is_about_no_track_is_ignored(payload: Any) -> None:
    assert notice(payload) == Notice()


def test_one_account_of_a_shared_server_can_be_chosen() -> None:
    assert len(notice(sent("media.scrobble"), account="elan").items) == 1
    assert notice(sent("media.scrobble"), account="guest") == Notice()


@pytest.mark.parametrize("payload", [5, [], {}, {"event": 5}, sent("media.play", {"type": "track"})])
def test_what_is_no_payload_is_malformed(payload: Any) -> None:
    with pytest.raises(MalformedRequestError):
        notice(payload)


@CHEAP
@given(
    st.sampled_from(["media.scrobble", "media.rate", "media.play"]),
    st.dictionaries(st.sampled_from([*TRACK, "userRating"]), anything),
    st.dictionaries(st.sampled_from(["Account", "Player", "Server", "rating"]), anything),
)
def test_any_track_is_judged_as_by_a_worker(event: str, track: Fields, more: Fields) -> None:
    try:
        said = notice(sent(event, {**TRACK, **track, "type": "track"}, **more))
    except MalformedRequestError:
        return
    for item in said.items:
        assert_judged_as_by_a_worker(item)


@CHEAP
@given(
    st.dictionaries(
        st.sampled_from([name for name in TRACK if name not in ("title", "originalTitle", "type")]), anything
    ),
    st.dictionaries(st.sampled_from(["Account", "Player", "Server"]), anything),
)
def test_no_optional_fact_costs_a_play(track: Fields, more: Fields) -> None:
    (item,) = notice(sent("media.scrobble", {**TRACK, "duration": 136411, **track}, **more)).items
    # A duration of 24 days began before that, which is still a time.
    assert isinstance(item.event, PlayEvent), item.error
