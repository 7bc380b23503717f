"""ListenBrainz' writing half, as its clients use it: what is answered 200 is recorded, and a bad listen costs itself.

The requests follow what each client's source sends; ../shared/INGRESS.md lists the clients.
"""

import json
from typing import Any
from uuid import UUID

import pytest

from tests.support.announced import listening
from tests.support.http_server import HttpServer
from worker.contract.identity import song_identity

SUBMIT = "/1/submit-listens"
AT = 1_700_000_000  # 2023-11-14T22:13:20Z
PARABOLA = {"artist_name": "Tool", "track_name": "Parabola"}


def listen(at: Any = AT, **info: Any) -> dict[str, Any]:
    return {"listened_at": at, "track_metadata": {**PARABOLA, "additional_info": info}}


def submission(*listens: Any, kind: str = "single") -> dict[str, Any]:
    return {"listen_type": kind, "payload": list(listens)}


def test_a_listen_keeps_every_fact_that_navidrome_sends(server: HttpServer) -> None:
    sent = {
        "listened_at": AT,
        "track_metadata": {
            "artist_name": "Tool",
            "track_name": "Parabola",
            "release_name": "Lateralus",
            "additional_info": {
                "submission_client": "navidrome",
                "submission_client_version": "0.55.2",
                "tracknumber": 7,
                "artist_mbids": ["66fc5bf8-daa4-4241-b378-9bc9077939d2"],
                "recording_mbid": "2F3A4B5C-0000-4000-8000-000000000001",
                "release_mbid": "b1f2c3d4-0000-4000-8000-000000000002",
                "duration_ms": 183_000,
            },
        },
    }
    answer = server.post(SUBMIT, submission(sent))
    ok = {"status": "ok", "submitted_listens": 1, "ignored_listens": 0, "ignored": []}
    assert (answer.status_code, answer.json()) == (200, ok)
    (play,) = server.plays()
    assert play["user"] == "ada"
    assert play["time"] == "2023-11-14T22:13:20Z"
    assert (play["artist"], play["title"], play["album"]) == ("Tool", "Parabola", "Lateralus")
    assert play["duration_ms"] == 183_000
    assert play["ids"]["mbid"] == "2f3a4b5c-0000-4000-8000-000000000001"
    assert play["source"] == "navidrome/0.55.2"
    assert play["context"]["tracknumber"] == 7
    assert play["ms_played"] is None


@pytest.mark.parametrize(
    "path", ["/1/submit-listens", "//1/submit-listens", "/1/submit-listens/", "/apis/listenbrainz/1/submit-listens"]
)
@pytest.mark.parametrize("authorization", ["Token {}", "token {}", "Bearer {}", "bearer  {}", "{}"])
def test_players_spell_paths_and_schemes_as_they_like(server: HttpServer, path: str, authorization: str) -> None:
    headers = {"Authorization": authorization.format(server.token)}
    body = json.dumps(submission(listen())).encode()
    assert server.client.post(f"http://testserver{path}", content=body, headers=headers).status_code == 200
    assert len(server.plays()) == 1


def test_a_retry_is_recorded_once(server: HttpServer) -> None:
    for client in ("a", "b"):  # Duration, album and client never enter the key.
        assert server.post(SUBMIT, submission(listen(submission_client=client, duration_ms=1_000))).status_code == 200
    assert len(server.plays()) == 1
    assert server.letters() == []


def test_one_bad_listen_costs_only_itself(server: HttpServer) -> None:
    nameless = {"listened_at": AT, "track_metadata": {"artist_name": "Tool", "track_name": ""}}
    answer = server.post(
        SUBMIT, submission(listen(), nameless, listen(at=None), "nonsense", listen(AT + 300), kind="import")
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["submitted_listens"], body["ignored_listens"]) == ("ok", 2, 3)
    assert [(each["index"], each["reason"]) for each in body["ignored"]] == [
        (1, "invalid_value"),
        (2, "missing_field"),
        (3, "missing_field"),
    ]
    assert len(server.plays()) == 2
    assert [reason for reason, _ in server.letters()] == ["invalid_value", "missing_field", "missing_field"]


def test_a_letter_shows_what_the_client_sent(server: HttpServer) -> None:
    server.post(SUBMIT, submission({**listen(at="soon"), "secret_of_the_client": 5}))
    ((reason, letter),) = server.letters()
    assert reason == "invalid_value"
    assert letter["user"] == "ada"
    assert "soon" in json.dumps(letter["received"])
    assert "secret_of_the_client" in json.dumps(letter["received"])


def test_when_all_are_bad_the_request_is(server: HttpServer) -> None:
    answer = server.post(SUBMIT, submission(listen(at=AT * 1_000)))
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert "seconds" in answer.json()["error"]
    assert server.plays() == []


@pytest.mark.parametrize("at", [AT, float(AT), str(AT), f"{AT}.0"])
def test_a_time_may_be_a_number_or_a_text(server: HttpServer, at: Any) -> None:
    assert server.post(SUBMIT, submission(listen(at=at))).status_code == 200
    assert [play["time"] for play in server.plays()] == ["2023-11-14T22:13:20Z"]


@pytest.mark.parametrize("at", [AT * 1_000, AT * 1_000_000_000, -5, "yesterday", True, [], {}])
def test_a_time_in_another_unit_is_refused(server: HttpServer, at: Any) -> None:
    assert server.post(SUBMIT, submission(listen(at=at))).status_code == 400


@pytest.mark.parametrize(
    "info",
    [
        {"recording_mbid": "not an id", "isrc": 5, "spotify_id": [], "duration_ms": "long", "tags": None},
        {"duration": "245.5", "duration_played": -3, "release_mbid": "", "artist_mbids": [None, 5]},
        {
            "tags": [f"tag {number}" for number in range(60)],
            "origin_url": "x" * 5_000,
            "nested": {"a": [[[[[[[[[1]]]]]]]]]},
        },
        {"submission_client": "c" * 300, "media_player": "\0", "music_service": "\ud800"},
        {"duration_ms": 10**30, "listening_from": float("inf")},
    ],
)
def test_no_optional_fact_costs_a_play(server: HttpServer, info: dict[str, Any]) -> None:
    answer = server.post(SUBMIT, submission(listen(**info)))
    assert (answer.status_code, answer.json().get("ignored")) == (200, [])
    assert len(server.plays()) == 1
    assert server.letters() == []


def test_a_single_may_have_several_listens(server: HttpServer) -> None:
    assert server.post(SUBMIT, submission(listen(), listen(AT + 300))).json()["submitted_listens"] == 2
    assert len(server.plays()) == 2


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"null", b'{"listen_type":"single"}', b'{"listen_type":"x","payload":[]}', b"\xff"]
)
def test_what_is_no_submission_is_named(server: HttpServer, body: bytes) -> None:
    answer = server.post(SUBMIT, body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(("token", "status"), [("", 401), ("0b1f2c3d-0000-4000-8000-000000000001", 401), ("\xe9", 401)])
def test_an_unknown_token_is_401_in_json(server: HttpServer, token: str, status: int) -> None:
    body = json.dumps(submission(listen())).encode()
    headers = [(b"Authorization", f"Token {token}".encode("latin-1"))] if token else []
    answer = server.client.post(SUBMIT, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, status)


def test_a_play_is_the_token_users_whatever_it_says(server: HttpServer) -> None:
    server.post(SUBMIT, {"user_name": "bob", **submission({**listen(), "user_name": "bob"})})
    assert [play["user"] for play in server.plays()] == ["ada"]


def test_a_token_is_validated_as_clients_ask(server: HttpServer) -> None:
    valid = {"code": 200, "message": "Token valid.", "valid": True, "user_name": "ada"}
    assert server.get("/1/validate-token").json() == valid
    assert server.client.get("/1/validate-token", params={"token": server.token}).json() == valid
    # Navidrome sends a body with it.
    with_body = server.client.request("GET", "/1/validate-token", content=b"{}", headers=server.authorization)
    assert with_body.json() == valid
    assert server.client.get("/1/validate-token", params={"token": "guess"}).json()["valid"] is False
    assert server.client.get("/1/validate-token").status_code == 400


def test_what_plays_now_is_shown_and_no_event(server: HttpServer) -> None:
    answer = server.post(f"{SUBMIT}?return_msid=true", submission(listen(duration_ms=183_000), kind="playing_now"))
    assert answer.json() == {"status": "ok", "recording_msid": str(UUID(song_identity("Tool", "Parabola")))}
    assert server.waiting() == 0
    payload = server.get("/1/user/ada/playing-now").json()["payload"]
    assert payload["count"] == 1
    assert payload["listens"][0]["track_metadata"]["track_name"] == "Parabola"


def test_a_play_of_the_song_ends_what_plays_now(server: HttpServer) -> None:
    server.post(SUBMIT, submission(listen(), kind="playing_now"))
    other = {"listened_at": AT, "track_metadata": {"artist_name": "Tool", "track_name": "Schism"}}
    server.post(SUBMIT, submission(other))
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 1
    server.post(SUBMIT, submission(listen()))
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 0


def test_a_player_takes_back_what_plays_now(server: HttpServer) -> None:
    server.post(SUBMIT, submission(listen(submission_client="pano"), kind="playing_now"))
    server.post("/1/playing-now/delete", {"client": "another"})
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 1
    server.post("/1/playing-now/delete", b"")
    assert server.get("/1/user/ada/playing-now").json()["payload"]["count"] == 0


def test_feedback_by_msid_is_a_favorite_and_its_end(server: HttpServer) -> None:
    server.post(SUBMIT, submission(listen()))
    server.drain()
    msid = str(UUID(song_identity("Tool", "Parabola")))
    scores = []
    for score in (1, -1, 0):
        assert (
            server.post("/1/feedback/recording-feedback", {"recording_msid": msid, "score": score}).status_code == 200
        )
        server.drain()
        asked = server.get("/1/feedback/user/ada/get-feedback-for-recordings", recording_msids=msid).json()
        scores.append(asked["feedback"][0]["score"])
    assert scores == [1, -1, 0]
    assert server.favorites() == {("ada", "Tool", "Parabola"): False}


def test_an_import_remembers_how_far_it_came(server: HttpServer) -> None:
    assert server.get("/1/latest-import").json() == {"musicbrainz_id": "ada", "latest_import": 0}
    assert server.post("/1/latest-import", {"ts": AT}).status_code == 200
    server.drain()
    assert server.get("/1/latest-import").json()["latest_import"] == AT


def test_a_deleted_listen_does_not_come_back(server: HttpServer) -> None:
    server.post(SUBMIT, submission(listen(), listen(AT + 300)))
    server.drain()
    deletion = {"listened_at": AT, "recording_msid": str(UUID(song_identity("Tool", "Parabola")))}
    with listening(server.settings.redis_url) as ear:
        assert server.post("/1/delete-listen", deletion).status_code == 200
        assert ear.listen() == [["ada"]]
    server.post(SUBMIT, submission(listen()))
    assert [play["time"] for play in server.plays()] == ["2023-11-14T22:18:20Z"]
    assert server.get("/1/user/ada/listen-count").json()["payload"]["count"] == 1


def test_a_listen_that_is_not_there_is_not_said_to_be_deleted(server: HttpServer) -> None:
    deletion = {"listened_at": AT, "recording_msid": str(UUID(song_identity("Tool", "Parabola")))}
    assert server.post("/1/delete-listen", deletion).status_code == 404
    assert server.post("/1/delete-listen", {"listened_at": AT, "recording_msid": "x"}).status_code == 400
    server.post(SUBMIT, submission(listen()))
    server.drain()
    bob = server.new_token("bob")
    assert server.post("/1/delete-listen", deletion, token=bob).status_code == 404


def test_a_browser_may_send_from_any_page(server: HttpServer) -> None:
    asked = {"Origin": "https://music.example", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
    preflight = server.client.options(SUBMIT, headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = server.post(SUBMIT, submission(listen()), Origin="https://music.example")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_letters_of_a_token_are_bounded(server: HttpServer) -> None:
    bad = submission(*(listen(at=None) for _ in range(90)), listen(), kind="import")
    for _ in range(3):
        assert server.post(SUBMIT, bad).json()["ignored_listens"] == 90
    assert len(server.letters()) == 100
