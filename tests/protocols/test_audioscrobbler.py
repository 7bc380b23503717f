"""Requests as mpdscribble sends them (its src/Scrobbler.cxx), and as the protocol's page has them."""

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import assert_judged_as_by_a_worker, texts
from tests.support.strategies import CHEAP
from worker.contract.events import FavoriteEvent, PlayEvent, SongRef
from worker.errors import MalformedRequestError
from worker.protocols import audioscrobbler, proofs
from worker.protocols.submission import Item

Params = dict[str, str]

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)
MBID: Final = "98255a8c-017a-4bc7-8dd6-1fa36124572b"
TRACK: Final[Params] = {
    "a": "Rick Astley", "t": "Never Gonna Give You Up", "i": "1443521965", "o": "P", "r": "", "l": "222",
    "b": "Whenever", "n": "1", "m": MBID,
}  # fmt: skip


def submitted(*tracks: Params, **params: str) -> list[Item]:
    sent = {f"{name}[{index}]": value for index, track in enumerate(tracks) for name, value in track.items()}
    return list(audioscrobbler.plays_of({"s": "session", **sent, **params}, user="ada", now=NOW))


def play_of(track: Params, **params: str) -> PlayEvent:
    (item,) = submitted(track, **params)
    assert isinstance(item.event, PlayEvent), item.error
    return item.event


def test_a_track_is_a_play_with_all_of_its_facts() -> None:
    play = play_of(TRACK, c="qts", v="0.10")
    assert (play.user, play.time.at, play.time.offset_minutes) == ("ada", AT, None)
    assert play.source == "qlscrobbler/0.10"
    assert play.song == SongRef("Never Gonna Give You Up", "Rick Astley", "Whenever", 222_000, {"mbid": MBID})
    assert play.context == {"tracknumber": "1"}


def test_a_time_of_mpdscribble_is_the_songs_end() -> None:
    play = play_of(TRACK, c="mdc", v="0.25")
    assert play.time.at == AT - timedelta(seconds=222)
    assert play.source == "mpdscribble/0.25"
    # Without a length the end is all that is known.
    for length in ("", "0", "long"):
        assert play_of({**TRACK, "l": length}, c="mdc").time.at == AT


def test_how_a_song_was_chosen_and_rated_is_kept() -> None:
    assert play_of({**TRACK, "o": "R", "r": "S"}).context == {"tracknumber": "1", "rating": "S", "chosen": "R"}


@pytest.mark.parametrize(("rating", "loved"), [("L", True), ("B", False)])
def test_a_song_that_is_loved_or_banned_is_a_favorite_too_from_its_play_on(rating: str, loved: bool) -> None:  # noqa: FBT001 -- A parameter of the test.
    play, favorite = (item.event for item in submitted({**TRACK, "r": rating}))
    assert isinstance(play, PlayEvent)
    assert isinstance(favorite, FavoriteEvent)
    assert (favorite.favorite, favorite.time.at, favorite.song) == (loved, AT, play.song)


def test_a_bad_track_costs_itself() -> None:
    first, bad, last = submitted(TRACK, {**TRACK, "a": "", "r": "L"}, {**TRACK, "t": "Other"})
    assert first.event is not None
    assert last.event is not None
    assert bad.error is not None
    assert bad.error.detail.startswith("song.artist")
    assert_judged_as_by_a_worker(bad)


def test_tracks_keep_their_order() -> None:
    items = submitted(*({**TRACK, "t": f"Track {number}"} for number in range(12)))
    titles = [item.event.song.title for item in items if isinstance(item.event, PlayEvent)]
    assert titles == [f"Track {number}" for number in range(12)]


def test_a_submission_without_a_track_is_malformed() -> None:
    with pytest.raises(MalformedRequestError):
        submitted()


def test_what_is_playing_now() -> None:
    playing = audioscrobbler.playing_of({**TRACK, "s": "session", "c": "mdc"}, user="ada", now=NOW)
    assert playing.song["title"] == "Never Gonna Give You Up"
    assert playing.song["duration_ms"] == 222_000
    assert playing.source == "mpdscribble"
    with pytest.raises(MalformedRequestError):
        audioscrobbler.playing_of({"s": "session", "t": "x"}, user="ada", now=NOW)


@CHEAP
@given(st.dictionaries(st.sampled_from([f"{name}[{i}]" for name in TRACK for i in (0, 1)]) | texts, texts, max_size=12))
def test_any_parameters_are_judged_as_by_a_worker(params: Params) -> None:
    try:
        items = audioscrobbler.plays_of(params, user="ada", now=NOW)
    except MalformedRequestError:
        return
    for item in items:
        assert_judged_as_by_a_worker(item)


@CHEAP
@given(st.dictionaries(st.sampled_from("orlbnm"), texts), texts)
def test_no_optional_parameter_costs_a_play(facts: Params, version: str) -> None:
    assert play_of({**facts, "r": "", **{name: TRACK[name] for name in "ati"}}, v=version).time.at == AT


# --- Handshake ------------------------------------------------------------------------------------

NOW_TEXT: Final = str(int(NOW.timestamp()))
HANDSHAKE: Final[Params] = {"hs": "true", "p": "1.2", "c": "mdc", "v": "0.25", "u": "ada", "t": NOW_TEXT, "a": "0" * 32}


def test_a_handshake_is_read_and_answered_with_urls_that_carry_the_client() -> None:
    handshake = audioscrobbler.handshake_of(HANDSHAKE, now=NOW)
    assert handshake == ("ada", NOW_TEXT, "0" * 32, "mdc", "0.25")
    answer = audioscrobbler.handshake_answer(
        handshake, key="k", playing_url="http://zik/np_1.2", submission_url="http://zik/protocol_1.2"
    )
    ok, key, playing, submission, end = answer.split("\n")
    assert (ok, key, end) == ("OK", "k", "")
    assert parse_qs(urlsplit(playing).query) == parse_qs(urlsplit(submission).query) == {"c": ["mdc"], "v": ["0.25"]}


def test_a_client_cannot_write_lines_of_the_answer() -> None:
    handshake = audioscrobbler.handshake_of({**HANDSHAKE, "c": "x\nOK", "v": " \r\n"}, now=NOW)
    assert handshake is not None
    answer = audioscrobbler.handshake_answer(handshake, key="k", playing_url="p", submission_url="s")
    assert len(answer.splitlines()) == 4


@pytest.mark.parametrize("off", [-3601, 3601, -86_400])
def test_a_clock_that_is_an_hour_off_is_told_so(off: int) -> None:
    time = str(int(NOW.timestamp()) + off)
    assert audioscrobbler.handshake_of({**HANDSHAKE, "t": time}, now=NOW) is None
    near = str(int(NOW.timestamp()) + 3_500)
    assert audioscrobbler.handshake_of({**HANDSHAKE, "t": near, "p": "1.2.1"}, now=NOW) is not None


@pytest.mark.parametrize(
    "change", [{"p": "1.1"}, {"u": ""}, {"a": ""}, {"t": ""}, {"t": "now"}, {"t": NOW_TEXT + "000"}]
)
def test_an_incomplete_handshake_is_malformed(change: Params) -> None:
    with pytest.raises(MalformedRequestError):
        audioscrobbler.handshake_of({**HANDSHAKE, **change}, now=NOW)


def test_a_reason_is_one_line() -> None:
    assert audioscrobbler.failed("Redis is\nfull") == "FAILED Redis is full\n"
    assert audioscrobbler.BAD_SESSION == "BADSESSION\n"


# --- Proofs ---------------------------------------------------------------------------------------

SECRET: Final = str(UUID("6d2f6d0c-9a6f-4a53-9d6c-6a1f0c1b8c55"))
STORED: Final = proofs.md5(SECRET)


def test_a_proof_is_made_of_the_tokens_md5_and_the_time() -> None:
    proof = proofs.md5(proofs.md5(SECRET) + NOW_TEXT)
    assert proofs.proves_audioscrobbler(proof, stored=STORED, time=NOW_TEXT)
    assert proofs.proves_audioscrobbler(proof.upper(), stored=STORED, time=NOW_TEXT)
    assert not proofs.proves_audioscrobbler(proof, stored=STORED, time=NOW_TEXT + "0")
    assert not proofs.proves_audioscrobbler(proof, stored=proofs.md5("other"), time=NOW_TEXT)


def test_last_fms_auth_token_is_made_of_the_user_and_the_tokens_md5() -> None:
    # pylast's get_session_key, with password_hash = md5(token).
    assert proofs.proves_lastfm(proofs.md5("ada" + STORED), stored=STORED, user="ada")
    assert not proofs.proves_lastfm(proofs.md5("bob" + STORED), stored=STORED, user="ada")


def test_a_session_key_names_its_token_and_dies_with_it() -> None:
    key = proofs.session_key(255, STORED)
    assert len(key) == 32
    assert proofs.token_id_of(key) == 255
    assert proofs.is_session(key, token_id=255, stored=STORED)
    assert not proofs.is_session(key, token_id=254, stored=STORED)
    assert not proofs.is_session(key, token_id=255, stored=proofs.md5("its successor"))
    assert STORED[:8] not in key


@pytest.mark.parametrize("key", ["", "x" * 32, "0" * 31, "0" * 33, SECRET, "\u0660" * 32, "\ud83d" * 32])
def test_what_has_not_the_form_of_a_session_names_no_token(key: str) -> None:
    assert proofs.token_id_of(key) is None


@given(texts, texts)
def test_any_proof_is_compared(sent: str, user: str) -> None:
    assert not proofs.proves_audioscrobbler(sent, stored=STORED, time=user)
    assert not proofs.proves_lastfm(sent, stored=STORED, user=user)
    assert not proofs.is_session(sent, token_id=1, stored=STORED)
