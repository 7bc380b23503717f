"""ListenBrainz' reading half: what was recorded, in its shapes, to the token's own user alone."""

from typing import Any
from uuid import UUID

import pytest

from tests.support.http_server import HttpServer
from worker.contract.identity import song_identity
from worker.operations.tokens import Scope

AT = 1_700_000_000  # 2023-11-14T22:13:20Z, a Tuesday
MBID = "2f3a4b5c-0000-4000-8000-000000000001"


def msid(artist: str, title: str) -> str:
    return str(UUID(song_identity(artist, title)))


@pytest.fixture
def history(server: HttpServer) -> HttpServer:
    """Three plays of ada's, of two songs, five minutes apart."""
    listens = [
        {
            "listened_at": AT + 300 * number,
            "track_metadata": {
                "artist_name": "Tool",
                "track_name": title,
                "release_name": "Lateralus",
                "additional_info": {"recording_mbid": MBID, "duration_ms": 183_000, "submission_client": "test"}
                if title == "Parabola"
                else {},
            },
        }
        for number, title in enumerate(("Parabola", "Schism", "Parabola"))
    ]
    assert server.post("/1/submit-listens", {"listen_type": "import", "payload": listens}).status_code == 200
    server.drain()
    return server


def times(answer: Any) -> list[int]:
    return [listen["listened_at"] - AT for listen in answer.json()["payload"]["listens"]]


def test_listens_are_newest_first(history: HttpServer) -> None:
    answer = history.get("/1/user/ada/listens")
    assert times(answer) == [600, 300, 0]
    payload = answer.json()["payload"]
    assert (payload["count"], payload["user_id"]) == (3, "ada")
    assert (payload["oldest_listen_ts"], payload["latest_listen_ts"]) == (AT, AT + 600)
    listen = payload["listens"][0]
    assert listen["recording_msid"] == msid("Tool", "Parabola")
    assert listen["track_metadata"]["release_name"] == "Lateralus"
    assert listen["track_metadata"]["mbid_mapping"]["recording_mbid"] == MBID
    assert listen["track_metadata"]["additional_info"]["duration_ms"] == 183_000


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"count": 1}, [600]),
        ({"max_ts": AT + 600}, [300, 0]),
        ({"min_ts": AT}, [600, 300]),
        ({"min_ts": AT, "count": 1}, [300]),
        ({"min_ts": AT, "max_ts": AT + 600}, [300]),
        ({"count": 0}, []),
        ({"count": 10**12}, [600, 300, 0]),
    ],
)
def test_listens_between_two_times(history: HttpServer, parameters: dict[str, Any], expected: list[int]) -> None:
    assert times(history.get("/1/user/ada/listens", **parameters)) == expected


@pytest.mark.parametrize("parameters", [{"count": "-1"}, {"count": "x"}, {"min_ts": "soon"}, {"max_ts": str(10**30)}])
def test_a_wrong_parameter_is_named(history: HttpServer, parameters: dict[str, str]) -> None:
    answer = history.get("/1/user/ada/listens", **parameters)
    assert answer.status_code == 400
    assert next(iter(parameters)) in answer.json()["error"]


def test_a_listen_count(history: HttpServer) -> None:
    assert history.get("/1/user/ada/listen-count").json() == {"payload": {"count": 3}}


def test_only_the_tokens_user_may_read(history: HttpServer) -> None:
    bob = history.new_token("bob")
    assert history.get("/1/user/ada/listens", token=bob).status_code == 403
    assert history.client.get("/1/user/ada/listens").status_code == 401
    assert history.get("/1/user/ada/listens", token=history.new_token("bob", Scope.SUBMIT, name="w")).status_code == 403
    admin = history.new_token("root", Scope.ADMIN)
    assert history.get("/1/user/ada/listens", token=admin).status_code == 200
    assert history.get("/1/user/eve/listens", token=admin).status_code == 404


@pytest.mark.parametrize(
    ("entity", "rows"),
    [
        ("artists", [("Tool", None, None, 3)]),
        ("releases", [("Tool", "Lateralus", None, 3)]),
        ("recordings", [("Tool", None, "Parabola", 2), ("Tool", None, "Schism", 1)]),
    ],
)
def test_rankings(history: HttpServer, entity: str, rows: list[Any]) -> None:
    payload = history.get(f"/1/stats/user/ada/{entity}").json()["payload"]
    found = [
        (row["artist_name"], row.get("release_name"), row.get("track_name"), row["listen_count"])
        for row in payload[entity]
    ]
    assert found == rows
    assert payload[f"total_{entity[:-1]}_count"] == len(rows)
    assert (payload["range"], payload["user_id"], payload["offset"]) == ("all_time", "ada", 0)


@pytest.mark.parametrize(
    "name", ["this_week", "week", "this_month", "month", "quarter", "half_yearly", "year", "this_year"]
)
def test_every_range_of_every_statistic_is_answered(history: HttpServer, name: str) -> None:
    for what in ("artists", "listening-activity", "daily-activity"):
        answer = history.get(f"/1/stats/user/ada/{what}", range=name)
        assert answer.status_code == 200
        payload = answer.json()["payload"]
        assert payload["range"] == name
        assert payload["from_ts"] < payload["to_ts"]


def test_an_unknown_range_is_named(history: HttpServer) -> None:
    answer = history.get("/1/stats/user/ada/artists", range="fortnight")
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


def test_when_a_user_listens(history: HttpServer) -> None:
    activity = history.get("/1/stats/user/ada/listening-activity").json()["payload"]["listening_activity"]
    assert [(row["time_range"], row["listen_count"]) for row in activity if row["listen_count"]] != []
    assert sum(row["listen_count"] for row in activity) == 3
    week = history.get("/1/stats/user/ada/daily-activity").json()["payload"]["daily_activity"]
    assert [row["listen_count"] for row in week["Tuesday"]][22] == 3
    assert sum(row["listen_count"] for day in week.values() for row in day) == 3


def test_a_known_song_is_looked_up(history: HttpServer) -> None:
    found = history.get("/1/metadata/lookup", artist_name="tool", recording_name="PARABOLA").json()
    assert found["recording_mbid"] == MBID
    assert history.get("/1/metadata/lookup", artist_name="Tool", recording_name="Schism").json() == {}
    assert history.get("/1/metadata/lookup", artist_name="Tool", recording_name="Nothing").json() == {}
    assert history.get("/1/metadata/lookup", artist_name="Tool").status_code == 400


def test_feedback_is_listed_newest_first(history: HttpServer) -> None:
    for title, score in (("Parabola", 1), ("Schism", -1)):
        sent = {"recording_msid": msid("Tool", title), "score": score}
        assert history.post("/1/feedback/recording-feedback", sent).status_code == 200
    history.drain()

    def listed(**parameters: Any) -> list[tuple[str, int]]:
        page = history.get("/1/feedback/user/ada/get-feedback", **parameters).json()
        return [(each["track_metadata"]["track_name"], each["score"]) for each in page["feedback"]]

    assert listed() == [("Schism", -1), ("Parabola", 1)]
    assert listed(score=1) == [("Parabola", 1)]
    assert listed(score=-1) == [("Schism", -1)]
    assert listed(count=1, offset=1) == [("Parabola", 1)]
    assert history.get("/1/feedback/user/ada/get-feedback").json()["total_count"] == 2


def test_feedback_on_a_song_by_mbid_counts(history: HttpServer) -> None:
    assert history.post("/1/feedback/recording-feedback", {"recording_mbid": MBID, "score": 1}).status_code == 200
    assert history.favorites() == {("ada", "Tool", "Parabola"): True}
    asked = history.get(
        "/1/feedback/user/ada/get-feedback-for-recordings", recording_mbids=f"{MBID.upper()},{UUID(int=5)}"
    )
    assert [each["score"] for each in asked.json()["feedback"]] == [1, 0]


@pytest.mark.parametrize("path", ["following", "playlists", "playlists/createdfor"])
def test_what_zik_has_not_is_empty_and_no_error(history: HttpServer, path: str) -> None:
    answer = history.get(f"/1/user/ada/{path}")
    assert answer.status_code == 200
    assert [] in answer.json().values()


def test_what_multi_scrobbler_takes_for_koito_is_not_there(server: HttpServer) -> None:
    assert server.client.get("/apis/web/v1/stats").status_code == 404
