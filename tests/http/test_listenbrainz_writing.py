import time
from tests.support.http_server import HttpServer
LISTEN={"listened_at": 1_700_000_000, "track_metadata": {"artist_name": "Tool", "track_name": "Parabola"}}
def test_a_listen_is_a_play(server: HttpServer) -> None:
    response = server.post("/1/submit-listens", {"listen_type": "single", "payload": [LISTEN]})
    assert (response.status_code, response.json()) == (200, {"status": "ok", "submitted_listens": 1, "ignored_listens": 0, "ignored": []})
    assert server.plays()
