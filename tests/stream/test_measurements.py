"""What the HTTP door measures adds up with what drains measure, and is read back by its labels."""

from collections import Counter

from worker.stream.measurements import REQUEST_SECONDS, events, failures, of_events, of_request, of_task, requests


def test_requests_are_counted_by_route_and_status_and_timed_by_route() -> None:
    measured: Counter[str] = Counter()
    for route, status, seconds in (("listens", 200, 0.004), ("listens", 503, 5.0), ("events", 200, 0.5)):
        measured.update(of_request(route, status, seconds))
    assert requests(measured) == {("listens", "200"): 1, ("listens", "503"): 1, ("events", "200"): 1}
    times = REQUEST_SECONDS.read(measured)
    assert times.keys() == {"listens", "events"}
    assert times["listens"].sum == 5.004
    counts = dict(times["listens"].buckets)
    assert (counts["0.0025"], counts["0.005"], counts["2.5"], counts["5"], counts["+Inf"]) == (0, 1, 1, 2, 2)


def test_events_of_the_door_are_counted_by_protocol_outcome_and_reason() -> None:
    measured: Counter[str] = Counter()
    measured.update(of_events("listenbrainz", "accepted", count=99))
    measured.update(of_events("listenbrainz", "refused", "out_of_range"))
    measured.update(of_events("listenbrainz", "refused", "out_of_range"))
    measured.update(of_events("native", "accepted"))
    assert events(measured) == {
        ("listenbrainz", "accepted", ""): 99,
        ("listenbrainz", "refused", "out_of_range"): 2,
        ("native", "accepted", ""): 1,
    }


def test_a_series_does_not_read_the_fields_of_another() -> None:
    measured = of_request("listens", 200, 0.1) | of_events("native", "accepted") | of_task("a.b", 1.0, failed=True)
    assert failures(measured) == {"a.b": 1}
    assert list(requests(measured | {"foreign": 1, "requests/x": 1})) == [("listens", "200")]
