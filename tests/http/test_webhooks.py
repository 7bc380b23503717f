"""Webhooks and Maloja's call: players that send no header, and what each notice becomes."""

import json
from typing import Any

import pytest

from tests.support.http_server import HttpServer
from worker.operations.tokens import Scope

AT = 1_700_000_000  # 2023-11-14T22:13:20Z


def plex(server: HttpServer, event: str, *, token: str | None = None, **sent: Any) -> Any:
    track = {
        "type": "track",
        "title": "Parabola",
        "grandparentTitle": "Tool",
        "parentTitle": "Lateralus",
        "duration": 183_000,
        "Guid": [{"id": "mbid://2f3a4b5c-0000-4000-8000-000000000001"}],
    }
    notice = {
        "event": event,
        "Account": {"title": "someone"},
        "Player": {"title": "Plexamp"},
        "Metadata": track,
        **sent,
    }
    files: Any = {
        "payload": (None, json.dumps(notice), "application/json"),
        "thumb": ("thumb.jpg", b"\xff\xd8", "image/jpeg"),
    }
    return server.client.post(f"/hooks/plex/{token or server.token}", files=files)


def test_a_scrobble_of_plex_is_a_play_of_the_token_s_user(server: HttpServer) -> None:
    assert plex(server, "media.scrobble").status_code == 200
    (play,) = server.plays()
    assert (play["user"], play["artist"], play["title"], play["album"]) == ("ada", "Tool", "Parabola", "Lateralus")
    assert (play["duration_ms"], play["ms_played"], play["source"]) == (183_000, None, "Plex")


def test_plex_shows_what_plays_until_it_stops(server: HttpServer) -> None:
    plex(server, "media.play")
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 1
    plex(server, "media.stop")
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 0


def test_ten_of_ten_is_a_favorite(server: HttpServer) -> None:
    plex(server, "media.rate", rating=10)
    assert server.favorites() == {("ada", "Tool", "Parabola"): True}
    plex(server, "media.rate", rating=4)
    assert server.favorites() == {("ada", "Tool", "Parabola"): False}


def test_what_is_not_music_is_left_alone(server: HttpServer) -> None:
    assert plex(server, "media.scrobble", Metadata={"type": "movie", "title": "A Film"}).status_code == 200
    assert plex(server, "library.new").status_code == 200
    assert server.waiting() == 0


def test_other_accounts_may_be_left_out(server: HttpServer) -> None:
    notice = {"event": "media.scrobble", "Account": {"title": "bob"}, "Metadata": {"type": "track"}}
    path = f"/hooks/plex/{server.token}?account=ada"
    assert server.client.post(path, data={"payload": json.dumps(notice)}).status_code == 200
    assert server.waiting() == 0


@pytest.mark.parametrize("player", ["plex", "web-scrobbler"])
def test_a_webhook_needs_a_token_that_may_submit(server: HttpServer, player: str) -> None:
    reader = server.new_token("ada", Scope.READ, name="reader")
    assert server.client.post(f"/hooks/{player}/guess", content=b"{}").status_code == 401
    assert server.client.post(f"/hooks/{player}/{reader}", content=b"{}").status_code == 403
    assert server.client.get(f"/hooks/{player}/{server.token}").status_code == 405


@pytest.mark.parametrize("player", ["plex", "web-scrobbler"])
@pytest.mark.parametrize("body", [b"", b"{", b"payload=", b"\xff\xfe", b"[]", b"--x\r\n"])
def test_what_is_no_notice_is_refused(server: HttpServer, player: str, body: bytes) -> None:
    for content_type in ("application/json", "multipart/form-data; boundary=x", "multipart/form-data", ""):
        headers = {"content-type": content_type} if content_type else {}
        answer = server.client.post(f"/hooks/{player}/{server.token}", content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["code"] == 400
    assert server.waiting() == 0


def web_scrobbler(server: HttpServer, name: str, **data: Any) -> Any:
    song = {
        "parsed": {
            "artist": "tool",
            "track": "parabola (live)",
            "duration": 183,
            "originUrl": "https://music.example/1",
        },
        "processed": {"artist": "Tool", "track": "Parabola", "album": "Lateralus"},
        "metadata": {"startTimestamp": AT, "label": "YouTube"},
        "connector": {"label": "YouTube"},
    }
    notice = {"eventName": name, "time": AT * 1_000, "data": {"song": song, **data}}
    return server.client.post(f"/hooks/web-scrobbler/{server.token}", json=notice)


def test_a_scrobble_of_web_scrobbler_began_when_it_says(server: HttpServer) -> None:
    for _ in range(2):
        assert web_scrobbler(server, "scrobble").status_code == 200
    (play,) = server.plays()
    assert (play["artist"], play["title"], play["album"]) == ("Tool", "Parabola", "Lateralus")
    assert (play["time"], play["source"]) == ("2023-11-14T22:13:20Z", "Web Scrobbler")


def test_web_scrobbler_loves_and_shows(server: HttpServer) -> None:
    assert web_scrobbler(server, "loved", isLoved=True).status_code == 200
    assert server.favorites() == {("ada", "Tool", "Parabola"): True}
    assert web_scrobbler(server, "nowplaying").status_code == 200
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 1


@pytest.mark.parametrize("form", ["json", "data", "params"])
def test_a_scrobble_of_maloja_comes_in_three_forms(server: HttpServer, form: str) -> None:
    sent: Any = {"artist": "Tool", "title": "Parabola", "time": AT, "length": 183, "duration": 180, "key": server.token}
    answer = server.client.post("/apis/mlj_1/newscrobble", **{form: sent})
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    (play,) = server.plays()
    assert (play["time"], play["duration_ms"], play["ms_played"]) == ("2023-11-14T22:13:20Z", 183_000, 180_000)


def test_a_failure_has_maloja_s_form(server: HttpServer) -> None:
    answer = server.client.post("/apis/mlj_1/newscrobble", json={"title": "Parabola", "key": server.token})
    assert (answer.status_code, answer.json()["status"]) == (400, "failure")
    answer = server.client.post("/apis/mlj_1/newscrobble", json={"key": "guess"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_api_key")


def test_a_last_fm_client_is_let_in_by_a_page(server: HttpServer) -> None:
    old = server.new_token("ada", name="old", audioscrobbler=True)
    asked = {"method": "auth.getToken", "format": "json"}
    token = server.client.get("/2.0/", params=asked).json()["token"]
    session = {"method": "auth.getSession", "format": "json", "token": token}
    assert server.client.get("/2.0/", params=session).json()["error"] == 14
    page = server.client.get("/api/auth/", params={"api_key": "x", "token": token})
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert token in page.text
    assert server.client.post("/api/auth/", data={"token": token, "password": "guess"}).status_code == 403
    assert server.client.post("/api/auth/", data={"token": token, "password": server.token}).status_code == 403
    assert server.client.post("/api/auth/", data={"token": token, "password": old}).status_code == 200
    found = server.client.get("/2.0/", params=session).json()["session"]
    assert found["name"] == "ada"
    love = {"method": "track.love", "sk": found["key"], "artist": "Tool", "track": "Parabola"}
    assert server.client.post("/2.0/", data=love).status_code == 200
    assert server.client.get("/2.0/", params=session).json()["error"] == 15


def test_the_page_shows_no_script_of_the_address(server: HttpServer) -> None:
    page = server.client.get("/api/auth/", params={"token": "<script>alert(1)</script>"})
    assert page.status_code == 404
    assert "<script" not in page.text
