"""The fast path reads what common clients send, and nothing otherwise than the tolerant reader."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import anything, as_sent, texts
from tests.support.listens import DOCUMENTED, MPD, MULTI_SCROBBLER, NAVIDROME, PANO, WEB_SCROBBLER, listen
from tests.support.strategies import CHEAP
from worker.contract.events import PlayEvent
from worker.protocols.listenbrainz_fast_path import common_play, common_request
from worker.protocols.listenbrainz_listen import play_of

Fields = dict[str, Any]

COMMON: Final = {
    "Navidrome": NAVIDROME, "Pano Scrobbler": PANO, "Web Scrobbler": WEB_SCROBBLER, "mpd": MPD,
    "multi-scrobbler": MULTI_SCROBBLER, "no facts": {}, "nothing": None,
}  # fmt: skip


def assert_read_alike(sent: Any) -> bool:
    """Compare the two readers. Returns whether the fast one has read it."""
    body = as_sent(sent)
    fast = common_play(body, user="ada", now=NOW)
    if fast is None:
        return False
    slow = play_of(json.loads(body), user="ada", now=NOW)
    assert slow.event == fast.event
    assert isinstance(fast.event, PlayEvent)
    return True


@pytest.mark.parametrize("client", COMMON)
def test_what_common_clients_send_takes_the_fast_path(client: str) -> None:
    assert assert_read_alike(listen(COMMON[client]))


@pytest.mark.parametrize("album", [" ", "\x1f Lateralus ", None, ""])
def test_an_album_is_trimmed_alike(album: str | None) -> None:
    assert assert_read_alike(listen(PANO, release_name=album))


@pytest.mark.parametrize(
    "sent",
    [listen(DOCUMENTED | {"unknown": 1}), listen(at=None), listen(at=1443521965000), listen(at=915148800),
     listen(artist_name=""),
     listen(track_name="a\0b"), listen({"recording_mbid": "x"}), listen({"media_player": "mpd"}),
     listen({"submission_client": " mpd"}), listen({"submission_client": "mpd", "submission_client_version": "1 "}),
     listen({"origin_url": ""}), listen({"tags": ["x"] * 51}), listen({"origin_url": "x" * 501}),
     listen({"origin_url": "\U0001f600" * 500, "music_service": "\U0001f600" * 500, "albumartist": "\U0001f600" * 500}),
     listen({"tracknumber": 2**63}), {**listen(), "listened_at": "1443521965"}, {}],
)  # fmt: skip
def test_what_is_not_common_is_left_to_the_tolerant_reader(sent: Any) -> None:
    assert not assert_read_alike(sent)


def test_a_request_of_another_form_is_left_to_the_tolerant_reader() -> None:
    others: list[Any] = [
        {"listen_type": "playing_now", "payload": [listen()]}, {"listen_type": "single", "payload": listen()},
        {"listen_type": "single", "payload": []}, {"payload": [listen()]}, [],
    ]  # fmt: skip
    for sent in others:
        assert common_request(as_sent(sent)) is None
    assert common_request(b"[" * 100_000) is None
    assert common_request(b"\xff") is None
    request = common_request(as_sent({"listen_type": "import", "payload": [listen(), 5]}))
    assert request is not None
    assert len(request.payload) == 2


_FACTS: Final = sorted({*NAVIDROME, *WEB_SCROBBLER, *DOCUMENTED, *MPD, *MULTI_SCROBBLER, "duration_played"})
_plain: Final = st.text(max_size=8) | texts | st.integers(-1, 2**31) | st.lists(st.text(max_size=3) | texts, max_size=3)


@CHEAP
@given(
    st.dictionaries(st.sampled_from(_FACTS), _plain | anything, max_size=5),
    texts | st.text(),
    texts | st.text(),
    _plain,
)
def test_any_listen_is_read_alike(facts: Fields, artist: str, track: str, release: Any) -> None:
    assert_read_alike(listen(facts, artist_name=artist, track_name=track, release_name=release))


@CHEAP
@given(st.sampled_from(_FACTS), _plain | anything)
def test_any_fact_beside_those_of_a_client_is_read_alike(name: str, value: Any) -> None:
    assert_read_alike(listen({**NAVIDROME, name: value}))


@given(st.integers() | st.floats() | texts)
def test_any_time_is_read_alike(time: Any) -> None:
    assert_read_alike(listen(at=time))
