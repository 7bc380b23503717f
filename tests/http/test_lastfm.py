"""Last.fm's API 2.0 as its clients use it, in XML and JSON."""

import hashlib
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.support.http_server import HttpServer
from tests.support.processes import eventually
from worker.operations.tokens import Scope

AT = 1_700_000_000  # 2023-11-14T22:13:20Z
PARABOLA = {"artist": "Tool", "track": "Parabola"}


def parsed(answer: Any) -> Element:
    return fromstring(answer.content)  # noqa: S314 -- zik wrote it


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def call(server: HttpServer, method: str, **parameters: Any) -> Any:
    """A POST with a form, as most clients send it; answered in JSON."""
    return server.client.post("/2.0/", data={"method": method, "format": "json", **parameters})


def xml(server: HttpServer, method: str, **parameters: Any) -> Element:
    answer = server.client.post("/2.0/", data={"method": method, **parameters})
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    return parsed(answer)


@pytest.fixture
def secret(server: HttpServer) -> str:
    """A token of ada's that old protocols can prove."""
    return server.new_token("ada", name="old", audioscrobbler=True)


@pytest.fixture
def sk(server: HttpServer, secret: str) -> str:
    """A session as pylast opens it."""
    proof = md5(f"ada{md5(secret)}")
    answer = call(server, "auth.getMobileSession", username="ada", authToken=proof, api_key="x", api_sig="y")
    assert answer.json()["session"]["name"] == "ada"
    key: str = answer.json()["session"]["key"]
    return key


def test_a_session_is_no_token_and_lasts_as_long_as_its_token(server: HttpServer, secret: str, sk: str) -> None:
    assert secret not in sk
    assert len(sk) == 32
    assert call(server, "track.scrobble", sk=sk, **PARABOLA, timestamp=AT).status_code == 200
    assert server.post("/v1/events", b"{}", token=sk).status_code == 401
    server.revoke(secret)

    def scrobble() -> tuple[int, int]:
        answer = call(server, "track.scrobble", sk=sk, **PARABOLA, timestamp=AT)
        return answer.status_code, answer.json().get("error", 0)

    eventually(lambda: scrobble() == (403, 9), within_s=5)


def test_a_password_is_a_token(server: HttpServer) -> None:
    plain = server.new_token("ada", name="plain")
    answer = call(server, "auth.getMobileSession", username="ada", password=plain)
    assert call(server, "track.love", sk=answer.json()["session"]["key"], **PARABOLA).status_code == 200
    assert call(server, "auth.getMobileSession", username="bob", password=plain).json()["error"] == 4


@pytest.mark.parametrize("login", [{"authToken": md5("guess")}, {"password": "guess"}])
def test_a_wrong_proof_opens_no_session(server: HttpServer, sk: str, login: dict[str, str]) -> None:
    assert sk
    answer = call(server, "auth.getMobileSession", username="ada", **login)
    assert (answer.status_code, answer.json()["error"]) == (403, 4)


def test_a_proof_needs_a_token_that_allows_it(server: HttpServer) -> None:
    plain = server.new_token("ada", name="plain")
    answer = call(server, "auth.getMobileSession", username="ada", authToken=md5(f"ada{md5(plain)}"))
    assert answer.json()["error"] == 4


def test_a_batch_is_answered_track_by_track(server: HttpServer, sk: str) -> None:
    tracks = {
        "artist[0]": "Tool", "track[0]": "Parabola", "timestamp[0]": AT, "album[0]": "Lateralus", "duration[0]": 183,
        "artist[1]": "", "track[1]": "Nameless", "timestamp[1]": AT,
        "artist[2]": "Tool", "track[2]": "Schism", "timestamp[2]": 5,
        "artist[3]": "Tool", "track[3]": "Lateralus", "timestamp[3]": AT + 600,
    }  # fmt: skip
    body = xml(server, "track.scrobble", sk=sk, **tracks)
    assert body.get("status") == "ok"
    scrobbles = body.find("scrobbles")
    assert scrobbles is not None
    assert scrobbles.attrib == {"accepted": "2", "ignored": "2"}
    codes = [message.get("code") for message in scrobbles.iter("ignoredMessage")]
    assert codes == ["0", "1", "3", "0"]
    plays = server.plays()
    assert [(play["title"], play["time"]) for play in plays] == [
        ("Parabola", "2023-11-14T22:13:20Z"),
        ("Lateralus", "2023-11-14T22:23:20Z"),
    ]
    assert (plays[0]["album"], plays[0]["duration_ms"], plays[0]["user"]) == ("Lateralus", 183_000, "ada")
    assert len(server.letters()) == 2


def test_parameters_may_be_in_the_query(server: HttpServer, sk: str) -> None:
    parameters: dict[str, Any] = {"method": "Track.Scrobble", "sk": sk, **PARABOLA, "timestamp": AT, "format": "json"}
    assert server.client.post("/2.0/", params=parameters).json()["scrobbles"]["@attr"]["accepted"] == 1
    assert len(server.plays()) == 1


def test_loves_come_and_go(server: HttpServer, sk: str) -> None:
    assert xml(server, "track.love", sk=sk, **PARABOLA).get("status") == "ok"
    assert server.favorites() == {("ada", "Tool", "Parabola"): True}
    assert xml(server, "track.unlove", sk=sk, **PARABOLA).get("status") == "ok"
    assert server.favorites() == {("ada", "Tool", "Parabola"): False}


def test_what_plays_now_leads_the_recent_tracks(server: HttpServer, sk: str) -> None:
    call(server, "track.scrobble", sk=sk, artist="Tool", track="Schism", timestamp=AT)
    server.drain()
    assert call(server, "track.updateNowPlaying", sk=sk, **PARABOLA, duration=183).status_code == 200
    recent = call(server, "user.getRecentTracks", sk=sk).json()["recenttracks"]
    assert [track["name"] for track in recent["track"]] == ["Parabola", "Schism"]
    assert recent["track"][0]["@attr"] == {"nowplaying": "true"}
    assert recent["track"][1]["date"]["uts"] == str(AT)
    assert recent["@attr"]["total"] == "1"


def test_recent_tracks_come_in_pages(server: HttpServer, sk: str) -> None:
    for number in range(5):
        call(server, "track.scrobble", sk=sk, **PARABOLA, timestamp=AT + 300 * number)
    server.drain()

    def times(**parameters: Any) -> list[int]:
        tracks = call(server, "user.getRecentTracks", sk=sk, **parameters).json()["recenttracks"]["track"]
        return [(int(track["date"]["uts"]) - AT) // 300 for track in tracks]

    assert times(limit=2) == [4, 3]
    assert times(limit=2, page=2) == [2, 1]
    assert times(limit=2, page=4) == []
    assert times(**{"from": AT + 300, "to": AT + 900}) == [2, 1]


def test_charts_and_counts(server: HttpServer, sk: str) -> None:
    for number, track in enumerate(("Parabola", "Schism", "Parabola")):
        call(
            server, "track.scrobble", sk=sk, artist="Tool", track=track, album="Lateralus", timestamp=AT + 300 * number
        )
    call(server, "track.love", sk=sk, **PARABOLA)
    server.drain()
    tracks = call(server, "user.getTopTracks", sk=sk).json()["toptracks"]["track"]
    assert [(track["name"], track["playcount"]) for track in tracks] == [("Parabola", "2"), ("Schism", "1")]
    (artist,) = call(server, "user.getTopArtists", sk=sk).json()["topartists"]["artist"]
    assert (artist["name"], artist["playcount"]) == ("Tool", "3")
    (album,) = call(server, "user.getTopAlbums", sk=sk).json()["topalbums"]["album"]
    assert album["name"] == "Lateralus"
    assert call(server, "user.getTopTracks", sk=sk, period="7day").json()["toptracks"]["track"] == []
    user = call(server, "user.getInfo", sk=sk).json()["user"]
    assert (user["playcount"], user["track_count"], user["artist_count"]) == ("3", "2", "1")
    assert user["url"] == "http://testserver/u/ada/"
    (loved,) = call(server, "user.getLovedTracks", sk=sk).json()["lovedtracks"]["track"]
    assert loved["name"] == "Parabola"


def test_reading_is_for_the_session_s_user(server: HttpServer, sk: str) -> None:
    assert call(server, "user.getInfo", user="ada").json()["error"] == 9
    assert call(server, "user.getInfo", sk=sk, user="bob").json()["error"] == 4
    assert call(server, "user.getInfo", api_key=server.token, user="ada").status_code == 200
    writer = server.new_token("ada", Scope.SUBMIT, name="writer")
    assert call(server, "user.getInfo", api_key=writer).json()["error"] == 4


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, 3),
        ({"method": "user.getFriends"}, 3),
        ({"method": "track.scrobble"}, 9),
        ({"method": "auth.getMobileSession"}, 6),
        ({"method": "auth.getSession", "token": "x"}, 15),
    ],
)
def test_failures_have_the_api_s_codes_in_both_forms(server: HttpServer, parameters: dict[str, str], code: int) -> None:
    assert server.client.post("/2.0/", data={**parameters, "format": "json"}).json()["error"] == code
    failed = parsed(server.client.get("/2.0/", params=parameters))
    found = failed.find("error")
    assert failed.get("status") == "failed"
    assert found is not None
    assert found.get("code") == str(code)


def test_many_parameters_are_refused(server: HttpServer) -> None:
    answer = server.client.post("/2.0/", content="&".join(f"a[{number}]=b" for number in range(6_000)).encode())
    assert parsed(answer).find("error") is not None
    assert answer.status_code == 400
