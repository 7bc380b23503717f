"""Requests as clients build them; where each shape is from stands beside it."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import anything, as_sent, assert_judged_as_by_a_worker
from tests.support.listens import ARTIST, DOCUMENTED, NAVIDROME, PANO, RECORDING, RELEASE, WEB_SCROBBLER, listen
from tests.support.strategies import CHEAP
from worker.contract.events import FavoriteEvent, PlayEvent, PreferenceEvent, SongRef
from worker.contract.identity import song_identity
from worker.errors import MalformedRequestError, Reason
from worker.protocols import listenbrainz
from worker.protocols.listenbrainz import Submission, submission_of
from worker.protocols.submission import Item

Fields = dict[str, Any]

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)


def submit(*listens: Any, kind: str = "import") -> Submission:
    return submission_of(as_sent({"listen_type": kind, "payload": list(listens)}), user="ada", now=NOW)


def play_of(*listens: Any) -> PlayEvent:
    (item,) = submit(*listens).items
    assert isinstance(item.event, PlayEvent), item.error
    return item.event


# --- What clients send ----------------------------------------------------------------------------


def test_a_listen_of_navidrome_becomes_a_play_with_all_of_its_facts() -> None:
    play = play_of(listen(NAVIDROME))
    assert (play.user, play.time.at, play.time.offset_minutes, play.source) == ("ada", AT, None, "navidrome/0.55.1")
    assert play.song == SongRef(
        "Never Gonna Give You Up", "Rick Astley", "Whenever", 222_000,
        {"mbid": RECORDING, "artist_mbid": ARTIST, "release_mbid": RELEASE,
         "release_group_mbid": "5b11f4ce-a62d-471e-81fc-a69a8278c7da"},
        artists=("Rick Astley",),
    )  # fmt: skip
    assert play.context == {"tracknumber": 1}


def test_the_documented_sample_keeps_what_was_played_and_every_id() -> None:
    play = play_of(listen(DOCUMENTED))
    assert play.ms_played == 180_000
    assert play.song.ids is not None
    assert play.song.ids["isrc"] == "GBARL9300135"
    assert play.song.ids["spotify"] == "spotify:track:4PTG3Z6ehGkBFwjybzWkR8"
    assert play.context == {"media_player": "Rhythmbox", "tags": ["you", "just", "got", "rick rolled!"]}


def test_a_listen_of_web_scrobbler_has_its_duration_in_seconds_and_its_service_as_context() -> None:
    play = play_of(listen(WEB_SCROBBLER))
    assert play.song.duration_ms == 222_000
    assert play.source == "Web Scrobbler/3.15.0"
    assert play.context == {
        "music_service_name": "YouTube", "origin_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    }  # fmt: skip
    assert play.song.album_artist == "Rick Astley"


MAPPED: Final = [
    {"artist_credit_name": "Salt", "join_phrase": "-N-"},
    {"artist_credit_name": "Pepa", "join_phrase": ""},
]


@pytest.mark.parametrize(
    ("info", "mapping", "artists"),
    [
        ({"artist_names": ["Salt", " Pepa\u00a0"]}, None, ("Salt", "Pepa")),
        ({}, {"artists": MAPPED}, ("Salt", "Pepa")),
        ({"artist_names": ["Salt"]}, {"artists": MAPPED}, ("Salt",)),
        ({"artist_names": [5]}, {"artists": MAPPED}, ("Salt", "Pepa")),
        ({"artist_names": ["Salt", "", "\0"]}, {"artists": 5}, ("Salt",)),
        # Nothing of wrong form is guessed, and nothing costs the play.
        ({"artist_names": "Salt"}, None, None),
        ({"artist_names": ["Salt", None]}, {"artists": [{"artist_credit_name": 5}, 5]}, None),
        ({"artist_names": []}, {"artists": []}, None),
        ({"artist_names": [" "]}, None, None),
        ({"artist_names": ["a"] * 21}, None, None),
        ({"artist_names": ["a" * 501]}, None, None),
        ({"artist_names": ["a" * 400] * 4}, None, None),
        ({"artist_names": ["\ud800"]}, None, None),
    ],
)
def test_artists_are_those_that_the_client_or_else_the_mapping_names(
    info: Fields, mapping: Fields | None, artists: tuple[str, ...] | None
) -> None:
    play = play_of(listen(info, mbid_mapping=mapping))
    assert play.song.artists == artists
    assert play.song.artist == "Rick Astley"


@pytest.mark.parametrize(
    ("info", "album_artist"),
    [
        ({"release_artist_name": " Various ", "albumartist": "other"}, "Various"),
        ({"release_artist_name": " ", "albumartist": "other"}, "other"),
        ({"release_artist_name": ["x"], "albumartist": "other"}, "other"),
        ({"albumartist": 5}, None),
        ({"albumartist": "x" * 501}, "x" * 500),
    ],
)
def test_the_albums_artist_is_the_first_text_that_names_one(info: Fields, album_artist: str | None) -> None:
    assert play_of(listen(info)).song.album_artist == album_artist


def test_a_retry_and_the_same_listen_of_another_client_have_one_id() -> None:
    ids = {play_of(listen(info)).id for info in (NAVIDROME, NAVIDROME, PANO, WEB_SCROBBLER, {}, None)}
    assert len(ids) == 1


def test_what_is_playing_now_is_no_event() -> None:
    # Mopidy and Airsonic send a time, although the protocol forbids it.
    submitted = submit(listen(PANO), kind="playing_now")
    assert submitted.items == ()
    assert submitted.playing is not None
    assert submitted.playing.song == {
        "title": "Never Gonna Give You Up", "artist": "Rick Astley", "album": "Whenever", "duration_ms": 222_000,
    }  # fmt: skip
    assert submitted.playing.source == "Pano Scrobbler/4.12"


@pytest.mark.parametrize("kind", ["single", "import"])
def test_a_request_may_have_several_listens_and_more_than_a_thousand(kind: str) -> None:
    items = submit(*(listen(at=1443521965 + number) for number in range(1_500)), kind=kind).items
    assert sum(item.event is not None for item in items) == 1_500


# --- What is tolerated ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "duration_ms"),
    [
        ({"duration": 222, "duration_ms": 222_500}, 222_500),
        ({"duration": 222, "duration_ms": 0}, 222_000),
        ({"duration": 222, "duration_ms": None}, 222_000),
        ({"duration": "222.5"}, 222_500),
        ({"duration_ms": "222000"}, 222_000),
        ({"duration": 10**9}, None),
    ],
)
def test_of_two_durations_the_milliseconds_win(info: Fields, duration_ms: int | None) -> None:
    assert play_of(listen(info)).song.duration_ms == duration_ms


@pytest.mark.parametrize("nothing", [None, "", [], 0])
def test_empty_optional_fields_cost_nothing(nothing: Any) -> None:
    info = dict.fromkeys([*NAVIDROME, *WEB_SCROBBLER, *DOCUMENTED], nothing)
    play = play_of(listen(info, release_name=nothing))
    assert play.song == SongRef("Never Gonna Give You Up", "Rick Astley")
    assert play.source is None
    assert play.ms_played is None


def test_a_bad_mbid_is_dropped_and_the_play_is_kept() -> None:
    play = play_of(listen({"recording_mbid": "none", "artist_mbids": ["?"], "release_mbid": RELEASE}))
    assert play.song.ids == {"release_mbid": RELEASE}


def test_of_over_fifty_tags_fifty_are_kept() -> None:
    play = play_of(listen({"tags": [f"tag {number}" for number in range(80)]}))
    assert play.context == {"tags": [f"tag {number}" for number in range(50)]}


def test_unknown_keys_beside_the_listen_are_ignored() -> None:
    sent = {**listen(), "inserted_at": 1443521966, "user_name": "bob", "recording_msid": RECORDING}
    assert play_of(sent).user == "ada"


def test_the_mapping_of_another_server_is_read_where_the_client_has_no_ids() -> None:
    mapping = {"recording_mbid": RECORDING, "artist_mbids": [ARTIST], "release_mbid": None, "caa_id": 5}
    play = play_of(listen({"artist_mbids": []}, mbid_mapping=mapping))
    assert play.song.ids == {"mbid": RECORDING, "artist_mbid": ARTIST}


def test_the_ids_of_the_client_win_over_those_of_a_server() -> None:
    play = play_of(listen({"recording_mbid": RECORDING}, mbid_mapping={"recording_mbid": RELEASE}))
    assert play.song.ids == {"mbid": RECORDING}


def test_of_several_that_are_playing_now_the_last_counts() -> None:
    playing = submit(listen(), listen(track_name="Together Forever"), kind="playing_now").playing
    assert playing is not None
    assert playing.song["title"] == "Together Forever"


def test_the_player_stands_for_a_client_without_a_name() -> None:
    assert play_of(listen({"media_player": "mpd", "media_player_version": "0.24"})).source == "mpd/0.24"


def test_one_listen_may_stand_where_a_list_should() -> None:
    body = as_sent({"listen_type": "single", "payload": listen()})
    assert [item.event is not None for item in submission_of(body, user="ada", now=NOW).items] == [True]


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "reason", "detail"),
    [
        (listen(artist_name=...), Reason.MISSING_FIELD, "song.artist: Field required"),
        (listen(track_name=None), Reason.MISSING_FIELD, "song.title: Field required"),
        (listen(track_name=""), Reason.INVALID_VALUE, "song.title: "),
        (listen(artist_name=["A", "B"]), Reason.WRONG_TYPE, "song.artist: "),
        (listen(track_name="x" * 501), Reason.OVER_LIMIT, "song.title: "),
        (listen(track_name="x" * 100_000), Reason.OVER_LIMIT, "song.title: "),
        (listen(track_name="a\0b"), Reason.INVALID_VALUE, "U+0000"),
        (listen(track_name="cut \ud83d"), Reason.INVALID_JSON, ""),
        (listen(at=None), Reason.MISSING_FIELD, "time: Field required"),
        (listen(at=1443521965000), Reason.WRONG_TYPE, "listened_at: must be in seconds since 1970, not in"),
        (listen(at="1443521965000"), Reason.INVALID_VALUE, "listened_at: must be in seconds since 1970, not in"),
        (listen(at=1e18), Reason.WRONG_TYPE, "listened_at: must be in seconds since 1970, not in"),
        (listen(at="yesterday"), Reason.INVALID_VALUE, "time: "),
        (listen(at=915148800), Reason.OUT_OF_RANGE, "time: must be from 2002-01-01"),
        (None, Reason.MISSING_FIELD, ""),
        ({"listened_at": 1443521965, "track_metadata": None}, Reason.MISSING_FIELD, ""),
    ],
)
def test_a_bad_listen_costs_itself_and_names_its_fault(sent: Any, reason: Reason, detail: str) -> None:
    first, bad, last = submit(listen(), sent, listen(at=1443521966)).items
    assert first.event is not None
    assert last.event is not None
    assert bad.error is not None
    assert bad.error.reason == reason
    assert bad.error.detail.startswith(detail)
    assert_judged_as_by_a_worker(bad)


def test_the_desk_gets_what_the_client_sent_and_its_name() -> None:
    (bad,) = submit(listen(NAVIDROME, artist_name=...)).items
    letter = json.loads(bad.payload)
    assert letter["source"] == "navidrome/0.55.1"
    assert json.loads(letter["received"]) == listen(NAVIDROME, artist_name=...)


@pytest.mark.parametrize("start", ["", "\ud83d"])
@pytest.mark.parametrize("character", ["\x01", "\U0001f600"])
def test_a_letter_fits_into_an_event_however_much_was_sent(start: str, character: str) -> None:
    text = start + character * 3_000
    info = {"origin_url": text, "music_service": text, "media_player": text}
    sent = {"first": "\U0001f600" * 2_000, **listen(info, artist_name=text, track_name=text, release_name=text)}
    (bad,) = submit(sent).items
    assert bad.error is not None
    assert_judged_as_by_a_worker(bad)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b"{}", b'{"listen_type": "single"}', b'{"listen_type": "single", "payload": []}',
     b'{"listen_type": "single", "payload": "x"}', b'{"listen_type": "love", "payload": [{}]}',
     b'{"listen_type": ["single"], "payload": [{}]}', b'{"listen_type": "playing_now", "payload": [{}]}',
     b'{"listen_type": "playing_now", "payload": [null]}'],
)  # fmt: skip
def test_what_is_no_submission_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        submission_of(body, user="ada", now=NOW)


def test_a_request_has_at_most_ten_thousand_listens() -> None:
    with pytest.raises(MalformedRequestError, match="send them in several"):
        submit(*[{}] * 10_001)


# --- Whatever is sent -----------------------------------------------------------------------------

_SHAPES: Final[st.SearchStrategy[Fields]] = st.fixed_dictionaries(
    {"listen_type": st.sampled_from(["single", "import", "playing_now"])}
) | st.just({})


def judged(body: Any) -> list[Item]:
    try:
        return list(submission_of(as_sent(body), user="ada", now=NOW).items)
    except MalformedRequestError:
        return []


@CHEAP
@given(_SHAPES, anything)
def test_any_payload_is_judged_as_by_a_worker(shape: Fields, payload: Any) -> None:
    for item in judged({**shape, "payload": payload}):
        assert_judged_as_by_a_worker(item)


@given(anything)
def test_any_body_is_answered(body: Any) -> None:
    assert judged(body) == []


@CHEAP
@given(
    st.sampled_from(["listened_at", "track_metadata", "track_name", "artist_name", "release_name", "additional_info"]),
    anything,
)
def test_any_value_of_any_field_is_judged_as_by_a_worker(field: str, value: Any) -> None:
    sent = listen(NAVIDROME)
    (sent if field in sent or field == "track_metadata" else sent["track_metadata"])[field] = value
    for item in judged({"listen_type": "single", "payload": [sent]}):
        assert_judged_as_by_a_worker(item)


@CHEAP
@given(
    st.dictionaries(st.sampled_from([*NAVIDROME, *DOCUMENTED, *WEB_SCROBBLER, "media_player_version"]), anything),
    st.dictionaries(st.text(max_size=5), anything, max_size=3),
    anything,
    anything,
)
def test_no_optional_fact_costs_a_play(info: Fields, more: Fields, release_name: Any, mapping: Any) -> None:
    play = play_of(listen({**more, **info}, release_name=release_name, mbid_mapping=mapping))
    assert (play.song.name, play.time.at) == (("Rick Astley", "Never Gonna Give You Up"), AT)


# --- Feedback -------------------------------------------------------------------------------------


def test_feedback_names_a_song_by_either_id() -> None:
    msid = listenbrainz.recording_msid("Rick Astley", "Never Gonna Give You Up")
    loved = listenbrainz.feedback_of(as_sent({"recording_msid": msid, "score": 1}))
    assert loved == (song_identity("Rick Astley", "Never Gonna Give You Up"), None, 1)
    # Web Scrobbler and Pano Scrobbler send null or nothing for the other id; a form sends the score as text.
    hated = listenbrainz.feedback_of(as_sent({"recording_mbid": RECORDING, "recording_msid": None, "score": "-1"}))
    assert hated == (None, RECORDING, -1)


@pytest.mark.parametrize(
    "sent", [5, {}, {"score": 1}, {"recording_mbid": "x", "score": 1}, {"recording_mbid": RECORDING},
             *({"recording_mbid": RECORDING, "score": score} for score in (2, True, None, [1], "love", 0.5))],
)  # fmt: skip
def test_feedback_that_says_nothing_is_malformed(sent: Any) -> None:
    with pytest.raises(MalformedRequestError):
        listenbrainz.feedback_of(as_sent(sent))


@given(anything, anything)
def test_any_feedback_is_answered(ids: Any, score: Any) -> None:
    try:
        said = listenbrainz.feedback_of(as_sent({"recording_msid": ids, "recording_mbid": ids, "score": score}))
    except MalformedRequestError:
        return
    assert said.score in {-1, 0, 1}


def test_a_hate_lasts_until_the_favorite_has_another_time() -> None:
    song = SongRef("Never Gonna Give You Up", "Rick Astley")
    withdrawn, hate = (item.event for item in listenbrainz.feedback_events(-1, song, user="ada", now=NOW))
    assert isinstance(withdrawn, FavoriteEvent)
    assert isinstance(hate, PreferenceEvent)
    assert not withdrawn.favorite
    assert withdrawn.time.at == hate.time.at == NOW
    assert hate.key == f"hated.{song.identity}"
    for score, loved in ((1, True), (0, False)):
        (item,) = listenbrainz.feedback_events(score, song, user="ada", now=NOW)
        assert isinstance(item.event, FavoriteEvent)
        assert item.event.favorite is loved


# --- Answers --------------------------------------------------------------------------------------


def test_a_batch_with_one_bad_listen_is_ok_and_names_it() -> None:
    status, body = listenbrainz.answer(submit(listen(), listen(artist_name=""), listen(at=1443521966)).items)
    assert status == 200
    assert body["status"] == "ok"
    assert (body["submitted_listens"], body["ignored_listens"]) == (2, 1)
    (ignored,) = body["ignored"]
    assert (ignored["index"], ignored["reason"]) == (1, "invalid_value")


def test_a_request_without_one_good_listen_is_a_400_with_code_and_error() -> None:
    status, body = listenbrainz.answer(submit(listen(at=None), kind="single").items)
    assert status == 400
    assert body["code"] == 400
    assert body["error"] == "none of 1 listens is valid; the first: time: Field required"


def test_pano_scrobbler_gets_the_id_of_what_is_playing() -> None:
    playing = submit(listen(), kind="playing_now").playing
    assert playing is not None
    with_id = listenbrainz.playing_answer(playing, with_msid=True)
    assert listenbrainz.identity_of(with_id["recording_msid"]) == song_identity(
        "Rick Astley", "never gonna give you up"
    )
    assert listenbrainz.playing_answer(playing, with_msid=False) == {"status": "ok"}


def test_a_token_is_answered_as_by_the_real_server() -> None:
    assert listenbrainz.token_answer("ada") == {
        "code": 200,
        "message": "Token valid.",
        "valid": True,
        "user_name": "ada",
    }
    assert listenbrainz.token_answer(None)["valid"] is False


def test_playing_now_is_removed_for_one_client_or_for_all() -> None:
    assert listenbrainz.client_of(b"") is None
    assert listenbrainz.client_of(b"{}") is None
    assert listenbrainz.client_of(b'{"client": "mpd"}') == "mpd"
    with pytest.raises(MalformedRequestError):
        listenbrainz.client_of(b"[]")


def test_the_latest_import_is_a_time() -> None:
    assert listenbrainz.latest_import_of(b'{"ts": 1443521965}') == 1443521965
    assert listenbrainz.latest_import_of(b"{}") == 0
    for body in (b"[]", b'{"ts": "x"}', b'{"ts": 1443521965000}'):
        with pytest.raises(MalformedRequestError):
            listenbrainz.latest_import_of(body)
