"""What the HTTP server reports of itself, as `zik metrics` and `zik doctor` read it."""

from sqlalchemy import Engine

from tests.support.events import play_payload
from tests.support.http_server import serving
from tests.support.processes import url_of
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.stream.measurements import (
    http_events,
    http_requests,
    last_http_report_at,
    last_http_unavailable_at,
)


def test_a_server_reports_what_it_has_served_when_it_ends(stream: EventStream, redis_url: str, sqlite: Engine) -> None:
    settings = load_settings(redis_url=redis_url, database_url=url_of(sqlite))
    with serving(settings, sqlite) as server:
        assert server.post("/v1/events", play_payload(user="ada")).status_code == 200
        assert server.post("/v1/events", play_payload(user="ada"), token="wrong").status_code == 401  # noqa: S106
    measured = stream.measures()
    assert http_requests(measured) == {("/v1/events", "200"): 1, ("/v1/events", "401"): 1}
    assert http_events(measured) == {("native", "accepted"): 1}
    assert abs(stream.now().timestamp() - (last_http_report_at(measured) or 0)) < 60
    assert last_http_unavailable_at(measured) is None


def test_a_server_that_has_served_nothing_reports_that_it_is_there(
    stream: EventStream, redis_url: str, sqlite: Engine
) -> None:
    with serving(load_settings(redis_url=redis_url, database_url=url_of(sqlite)), sqlite):
        pass
    assert last_http_report_at(stream.measures()) is not None


def test_a_server_notes_that_it_turned_players_away(stream: EventStream, redis_url: str, sqlite: Engine) -> None:
    stream.append([play_payload()])
    settings = load_settings(redis_url=redis_url, database_url=url_of(sqlite), max_waiting=1)
    with serving(settings, sqlite) as server:
        assert server.post("/v1/events", play_payload(user="ada")).status_code == 503
    assert last_http_unavailable_at(stream.measures()) is not None
