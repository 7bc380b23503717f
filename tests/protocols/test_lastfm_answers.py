"""Bodies as clients take them apart: pylast the XML, Pano Scrobbler, Web Scrobbler and multi-scrobbler the JSON."""

from datetime import UTC, datetime
from typing import Any, Final
from xml.dom import minidom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.hostile_json import texts
from tests.support.strategies import CHEAP
from worker.contract.events import SongRef
from worker.protocols import lastfm, lastfm_answers
from worker.protocols import lastfm_reading as reading
from worker.protocols.lastfm_answers import Error, xml
from worker.protocols.submission import NowPlaying

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)
TRACK: Final = {"artist": "Tool", "track": "Parabola", "timestamp": "1443521965"}
SONG: Final = SongRef("Parabola", "Tool", "Lateralus", 183_000, {"mbid": "m", "artist_mbid": "a", "release_mbid": "r"})


def scrobbled(*tracks: dict[str, str]) -> dict[str, Any]:
    params = {f"{name}[{index}]": value for index, track in enumerate(tracks) for name, value in track.items()}
    return lastfm_answers.scrobbled(lastfm.scrobbles_of(params, user="ada", client=None, now=NOW))


def dom(body: bytes) -> minidom.Element:
    root = minidom.parseString(body).documentElement  # noqa: S318 -- Our own, and pylast reads it so.
    assert root is not None
    return root


def texts_of(node: minidom.Element, name: str) -> list[str]:
    return [
        "".join(child.data for child in found.childNodes if isinstance(child, minidom.Text))
        for found in node.getElementsByTagName(name)
    ]


def test_a_batch_answers_for_each_track() -> None:
    body = scrobbled(TRACK, {**TRACK, "artist": ""})
    assert body["scrobbles"]["@attr"] == {"accepted": 1, "ignored": 1}
    good, bad = body["scrobbles"]["scrobble"]
    assert good["track"] == {"corrected": "0", "#text": "Parabola"}
    assert good["ignoredMessage"] == {"code": "0", "#text": ""}
    assert good["timestamp"] == "1443521965"
    assert bad["ignoredMessage"]["code"] == "1"
    assert bad["ignoredMessage"]["#text"].startswith("song.artist")


def test_a_single_scrobble_is_no_list_in_json() -> None:
    assert scrobbled(TRACK)["scrobbles"]["scrobble"]["artist"]["#text"] == "Tool"


def test_xml_says_the_same_as_json() -> None:
    root = dom(xml(scrobbled(TRACK, {**TRACK, "track": ""})))
    assert (root.tagName, root.getAttribute("status")) == ("lfm", "ok")
    (scrobbles,) = root.getElementsByTagName("scrobbles")
    assert (scrobbles.getAttribute("accepted"), scrobbles.getAttribute("ignored")) == ("1", "1")
    assert texts_of(root, "artist") == ["Tool", "Tool"]
    assert [node.getAttribute("code") for node in root.getElementsByTagName("ignoredMessage")] == ["0", "2"]
    assert root.getElementsByTagName("track")[0].getAttribute("corrected") == "0"


def test_short_answers() -> None:
    playing = NowPlaying({"title": "Parabola", "artist": "Tool"}, None)
    body = lastfm_answers.now_playing(playing)["nowplaying"]
    assert (body["track"]["#text"], body["album"]["#text"], body["ignoredMessage"]["code"]) == ("Parabola", "", "0")
    assert lastfm_answers.loved() == {}
    assert xml({}).endswith(b'<lfm status="ok" />')
    assert texts_of(dom(xml(lastfm_answers.session("ada", "k"))), "key") == ["k"]
    assert texts_of(dom(xml(lastfm_answers.token("t"))), "token") == ["t"]


def test_a_failure_has_its_code_in_both_forms_and_only_a_temporary_one_has_5xx() -> None:
    root = dom(lastfm_answers.error_xml(Error.INVALID_SESSION, "sign in again"))
    (error,) = root.getElementsByTagName("error")
    assert (root.getAttribute("status"), error.getAttribute("code")) == ("failed", "9")
    assert lastfm_answers.error_json(Error.TEMPORARY, "later") == {"error": 16, "message": "later"}
    assert {code for code in Error if lastfm_answers.status_of(code) >= 500} == {Error.TEMPORARY, Error.SERVICE_OFFLINE}


def test_recent_tracks_are_read_by_pylast() -> None:
    tracks = [reading.played(SONG, None), reading.played(SONG, AT)]
    root = dom(xml(reading.recent_tracks("ada", tracks, reading.Page(2, 50, 101))))
    # _collect_nodes: the first element has the number of pages.
    main = root.childNodes[0]
    assert isinstance(main, minidom.Element)
    assert (main.getAttribute("totalPages"), main.getAttribute("page"), main.getAttribute("total")) == ("3", "2", "101")
    now, before = main.childNodes
    assert isinstance(now, minidom.Element)
    assert isinstance(before, minidom.Element)
    # _extract_played_track.
    assert now.getAttribute("nowplaying") == "true"
    assert not before.hasAttribute("nowplaying")
    assert before.getElementsByTagName("date")[0].getAttribute("uts") == "1443521965"
    for name, text in (
        ("name", "Parabola"),
        ("artist", "Tool"),
        ("album", "Lateralus"),
        ("date", "29 Sep 2015, 10:19"),
    ):
        assert texts_of(before, name)[0] == text


def test_extended_tracks_have_the_love_and_an_artist_with_a_name() -> None:
    track = reading.played(SONG, AT, is_loved=True)
    assert track["loved"] == "1"
    assert track["artist"]["name"] == "Tool"
    assert track["album"] == {"mbid": "r", "#text": "Lateralus"}
    assert reading.played(SONG, AT)["artist"] == {"mbid": "a", "#text": "Tool"}
    assert {image["size"] for image in track["image"]} == {"small", "medium", "large", "extralarge"}


def test_loved_tracks_have_title_before_artist_and_no_album() -> None:
    body = reading.loved_tracks("ada", [reading.loved_track(SONG, AT)], reading.Page(1, 50, 1))
    assert texts_of(dom(xml(body)), "name") == ["Parabola", "Tool"]
    assert "album" not in body["lovedtracks"]["track"][0]
    assert body["lovedtracks"]["@attr"]["user"] == "ada"


@pytest.mark.parametrize(
    ("chart", "one", "names"),
    [
        ("artists", "artist", ["Tool"]),
        ("albums", "album", ["Lateralus", "Tool"]),
        ("tracks", "track", ["Parabola", "Tool"]),
    ],
)
def test_charts_are_ranked_over_the_pages(chart: reading.Chart, one: str, names: list[str]) -> None:
    entry = reading.Counted(5, "Tool", title="Parabola", album="Lateralus", duration_ms=183_000)
    body = reading.top(chart, "ada", [entry], reading.Page(3, 10, 21))
    (ranked,) = body[f"top{chart}"][one]
    assert (ranked["@attr"]["rank"], ranked["playcount"]) == ("21", "5")
    root = dom(xml(body))
    assert texts_of(root, "name") == names
    assert root.getElementsByTagName(one)[0].getAttribute("rank") == "21"


def test_a_user_has_a_url_and_counts() -> None:
    user = reading.user_info("ada", url="http://zik/u/ada", totals=reading.Totals(4, 3, 2, 1), registered=AT)["user"]
    assert (user["name"], user["url"], user["playcount"], user["track_count"]) == ("ada", "http://zik/u/ada", "4", "1")
    assert user["registered"]["unixtime"] == "1443521965"
    assert texts_of(dom(xml({"user": user})), "playcount") == ["4"]


def test_an_empty_list_has_no_pages() -> None:
    assert reading.recent_tracks("ada", [], reading.Page(1, 50, 0))["recenttracks"]["@attr"]["totalPages"] == "0"


@CHEAP
@given(texts | st.text(), texts | st.text())
def test_any_text_is_legal_xml(artist: str, user: str) -> None:
    song = SongRef(artist, artist, artist, ids={"mbid": artist})
    tracks = [reading.played(song, AT), reading.loved_track(song, AT)]
    for body in (
        xml(reading.recent_tracks(user, tracks, reading.Page(1, 1, 1))),
        xml(scrobbled({**TRACK, "artist": artist})),
        lastfm_answers.error_xml(Error.INVALID_PARAMETERS, artist),
    ):
        assert dom(body).tagName == "lfm"
