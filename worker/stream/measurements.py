"""Measure drains and tasks, in whole numbers that add up in one Redis hash.

There they outlive every worker, and the numbers of all workers are one. The field `series/label/bound` counts the
observations between the previous bound and this one, `series/label/sum` holds their sum in millionths. In
`series/label/at` Redis stores the time of the report, in seconds since 1970, whatever number is sent.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

_MILLION: Final = 1_000_000


class Phase(StrEnum):
    """The steps of a drain after it has read a batch."""

    DECODE = "decode"
    RECORD = "record"
    ACKNOWLEDGE = "acknowledge"


class Series(NamedTuple):
    """Observations of one kind, counted by upper bounds."""

    name: str
    bounds: tuple[float, ...]

    def observe(self, value: float, label: str = "") -> dict[str, int]:
        """Return what to add to the hash."""
        bound = next((bound for bound in self.bounds if value <= bound), inf)
        return {f"{self.name}/{label}/{bound:g}": 1, f"{self.name}/{label}/sum": round(value * _MILLION)}

    def read(self, hash_: Mapping[str, int]) -> "dict[str, Distribution]":
        """Read this series from the hash, by label."""
        labels = sorted({label for name, label, _ in _split(hash_) if name == self.name})
        return {label: self._of(label, hash_) for label in labels}

    def _of(self, label: str, hash_: Mapping[str, int]) -> "Distribution":
        total, buckets = 0, []
        for bound in (*self.bounds, inf):
            total += hash_.get(f"{self.name}/{label}/{bound:g}", 0)
            buckets.append(("+Inf" if bound == inf else f"{bound:g}", total))
        return Distribution(buckets, hash_.get(f"{self.name}/{label}/sum", 0) / _MILLION)


class Distribution(NamedTuple):
    """Cumulative counts by upper bound, as Prometheus expects them, and the sum of the observations."""

    buckets: list[tuple[str, int]]
    sum: float


BATCH_EVENTS: Final = Series("batch_events", (1, 10, 100, 500, 1_000, 2_000, 5_000, 10_000))
PHASE_SECONDS: Final = Series("phase_seconds", (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15))
TASK_SECONDS: Final = Series("task_seconds", (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 300))
HTTP_SECONDS: Final = Series("http_seconds", (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
_FAILURES: Final = "task_failures"
_HTTP_REQUESTS: Final = "http_requests"
_HTTP_EVENTS: Final = "http_events"
_HTTP_REPORT: Final = "http//at"
_HTTP_UNAVAILABLE: Final = "http_unavailable//at"
_AGGREGATION: Final = "aggregation//at"

# The status of an answer that asks the client to come back later.
_UNAVAILABLE: Final = 503


class Stopwatch:
    """Add up the seconds of each phase over all its laps."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since = monotonic()
        self.seconds: dict[Phase, float] = {}

    def lap(self, phase: Phase) -> None:
        now = self._monotonic()
        self.seconds[phase], self._since = self.seconds.get(phase, 0.0) + now - self._since, now


def of_batch(events: int, seconds: Mapping[Phase, float]) -> dict[str, int]:
    measured = BATCH_EVENTS.observe(events)
    for phase, taken_s in seconds.items():
        measured |= PHASE_SECONDS.observe(taken_s, phase)
    return measured


def of_task(task: str, seconds: float, *, failed: bool) -> dict[str, int]:
    return TASK_SECONDS.observe(seconds, task) | {f"{_FAILURES}/{task}/sum": int(failed)}


def failures(hash_: Mapping[str, int]) -> Counter[str]:
    """How often each task failed."""
    return _counted(_FAILURES, hash_)


def of_http_request(route: str, status: int, seconds: float) -> dict[str, int]:
    """Return what to report of one HTTP request. `route` is a path without what clients choose, and has no space."""
    measured = HTTP_SECONDS.observe(seconds, route) | {f"{_HTTP_REQUESTS}/{route} {status}/sum": 1}
    if status == _UNAVAILABLE:
        measured[_HTTP_UNAVAILABLE] = 0
    return measured


def http_requests(hash_: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """How many HTTP requests there were, by route and status."""
    return _by_pair(_HTTP_REQUESTS, hash_)


def of_http_events(protocol: str, outcomes: Mapping[str, int]) -> dict[str, int]:
    """Return what to report of events that came by HTTP: how many were `accepted`, or refused for which reason."""
    return {f"{_HTTP_EVENTS}/{protocol} {outcome}/sum": count for outcome, count in outcomes.items()}


def http_events(hash_: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """How many events came by HTTP, by protocol and outcome."""
    return _by_pair(_HTTP_EVENTS, hash_)


def of_http_report() -> dict[str, int]:
    """Return what a process of the HTTP server adds to each of its reports: a sign of life."""
    return {_HTTP_REPORT: 0}


def last_http_report_at(hash_: Mapping[str, int]) -> int | None:
    """When a process of the HTTP server last reported, in seconds since 1970 by the clock of Redis; or None."""
    return hash_.get(_HTTP_REPORT)


def last_http_unavailable_at(hash_: Mapping[str, int]) -> int | None:
    """When such a process last reported that it had answered 503, by the same clock; None if none has."""
    return hash_.get(_HTTP_UNAVAILABLE)


def of_aggregation() -> dict[str, int]:
    """Return what to report when a sweep has finished."""
    return {_AGGREGATION: 0}


def last_aggregation_at(hash_: Mapping[str, int]) -> int | None:
    """When a sweep last finished, in seconds since 1970 by the clock of Redis; None if none ever has."""
    return hash_.get(_AGGREGATION)


def _counted(series: str, hash_: Mapping[str, int]) -> Counter[str]:
    return Counter({label: hash_[f"{name}/{label}/{end}"] for name, label, end in _split(hash_) if name == series})


def _by_pair(series: str, hash_: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """Split labels of two words at the last space."""
    counted: Counter[tuple[str, str]] = Counter()
    for label, count in _counted(series, hash_).items():
        first, _, second = label.rpartition(" ")
        counted[first, second] += count
    return counted


def _split(fields: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    """Split fields into series, label and bound. Foreign fields are skipped: they must not stop a scrape."""
    for field in fields:
        # A label may be the path of a route.
        series, _, rest = field.partition("/")
        label, slash, bound = rest.rpartition("/")
        if slash:
            yield series, label, bound
