"""What the HTTP server measures adds up with what drains measure, and is read back by its labels."""

from collections import Counter

from worker.stream.measurements import (
    HTTP_SECONDS,
    failures,
    http_events,
    http_requests,
    last_http_report_at,
    last_http_unavailable_at,
    of_http_events,
    of_http_report,
    of_http_request,
    of_task,
)

LISTENS = "/1/user/{user}/listens"


def test_requests_are_counted_by_route_and_status_and_timed_by_route() -> None:
    measured: Counter[str] = Counter()
    for route, status, seconds in ((LISTENS, 200, 0.004), (LISTENS, 503, 5.0), ("/v1/events", 200, 0.5)):
        measured.update(of_http_request(route, status, seconds))
    assert http_requests(measured) == {(LISTENS, "200"): 1, (LISTENS, "503"): 1, ("/v1/events", "200"): 1}
    times = HTTP_SECONDS.read(measured)
    assert times.keys() == {LISTENS, "/v1/events"}
    assert times[LISTENS].sum == 5.004
    counts = dict(times[LISTENS].buckets)
    assert (counts["0.0025"], counts["0.005"], counts["2.5"], counts["5"], counts["+Inf"]) == (0, 1, 1, 2, 2)


def test_events_are_counted_by_protocol_and_outcome() -> None:
    measured: Counter[str] = Counter()
    measured.update(of_http_events("listenbrainz", {"accepted": 99, "out_of_range": 1}))
    measured.update(of_http_events("listenbrainz", {"out_of_range": 1}))
    measured.update(of_http_events("native", {"accepted": 1}))
    assert http_events(measured) == {
        ("listenbrainz", "accepted"): 99,
        ("listenbrainz", "out_of_range"): 2,
        ("native", "accepted"): 1,
    }


def test_a_series_does_not_read_the_fields_of_another() -> None:
    measured = of_http_request("/a", 200, 0.1) | of_http_events("b", {"accepted": 1}) | of_task("c.d", 1, failed=True)
    measured |= {"foreign": 1, "http_requests/x": 1}
    assert failures(measured) == {"c.d": 1}
    assert list(http_requests(measured)) == [("/a", "200")]
    assert list(http_events(measured)) == [("b", "accepted")]


def test_a_report_and_an_answer_503_are_noted_by_their_time() -> None:
    assert last_http_report_at({}) is last_http_unavailable_at({}) is None
    assert last_http_unavailable_at(of_http_request("/a", 200, 0.1) | of_http_request("/a", 500, 0.1)) is None
    # Redis replaces the numbers by its time.
    assert last_http_unavailable_at(of_http_request("/a", 503, 0.1)) == 0
    assert last_http_report_at(of_http_report()) == 0
