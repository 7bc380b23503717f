"""Prometheus collector: reads Redis and the database at each scrape, so that a restart loses no count."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from worker.database.engine import snapshot
from worker.database.schema import current_revision, newest_revision
from worker.errors import DatabaseUnavailableError, ZikError
from worker.models import StaleDay
from worker.operations import dead_letters
from worker.operations.health import RUNNING_S, running_drains
from worker.operations.token_use import count_by_last_use
from worker.stream.consumer import EventStream
from worker.stream.measurements import (
    BATCH_EVENTS,
    HTTP_SECONDS,
    PHASE_SECONDS,
    TASK_SECONDS,
    Series,
    failures,
    http_events,
    http_requests,
    last_aggregation_at,
    last_http_report_at,
)


class Name(StrEnum):
    """Every metric. Dashboards and alerts rely on these names: none is ever renamed."""

    REDIS_UP = "zik_redis_up"
    RECEIVED = "zik_received_events_total"
    RECORDED = "zik_recorded_events_total"
    DUPLICATE = "zik_duplicate_events_total"
    DEAD = "zik_dead_events"
    WAITING = "zik_waiting_events"
    PENDING = "zik_pending_events"
    UNACCOUNTED = "zik_unaccounted_events"
    OLDEST_WAITING = "zik_oldest_waiting_event_age_seconds"
    DRAINS_RUNNING = "zik_drains_running"
    LAST_DRAIN_AGE = "zik_last_drain_age_seconds"
    BATCH_EVENTS = "zik_batch_events"
    BATCH_SECONDS = "zik_batch_seconds"
    TASK_SECONDS = "zik_task_seconds"
    TASK_FAILURES = "zik_task_failures_total"
    LAST_AGGREGATION = "zik_last_aggregation_timestamp_seconds"
    HTTP_REQUESTS = "zik_http_requests_total"
    HTTP_SECONDS = "zik_http_request_seconds"
    HTTP_EVENTS = "zik_http_events_total"
    LAST_HTTP_REPORT = "zik_http_last_report_timestamp_seconds"
    DATABASE_UP = "zik_database_up"
    SCHEMA_CURRENT = "zik_schema_current"
    DEAD_LETTERS = "zik_dead_letters"
    STALE_STATISTICS = "zik_stale_statistics"
    TOKENS = "zik_tokens"


HELP: Final[Mapping[Name, str]] = {
    Name.REDIS_UP: "Whether Redis answered this scrape.",
    Name.RECEIVED: "Events that Redis accepted.",
    Name.RECORDED: "Events that were stored, once.",
    Name.DUPLICATE: "Events that were recognised as already stored.",
    Name.DEAD: "Events with a dead letter as outcome; a letter that is retried with success no longer counts.",
    Name.WAITING: "Events in the stream that are not yet acknowledged.",
    Name.PENDING: "Waiting events that a drain has read.",
    Name.UNACCOUNTED: "Events that left without an outcome: another program deleted or trimmed them. Should be 0.",
    Name.OLDEST_WAITING: "Age of the oldest waiting event, 0 when none waits.",
    Name.DRAINS_RUNNING: f"Drains that made progress within {RUNNING_S:.0f} s.",
    Name.LAST_DRAIN_AGE: "How long ago any drain made progress: committed a batch, or found none.",
    Name.BATCH_EVENTS: "Entries in a batch.",
    Name.BATCH_SECONDS: "Time of a batch by phase: decode, record (the transaction), acknowledge.",
    Name.TASK_SECONDS: "Runtime of a Celery task.",
    Name.TASK_FAILURES: "Celery tasks that ended with an error.",
    Name.LAST_AGGREGATION: "When a sweep over the stale days last finished, in Unix time.",
    Name.HTTP_REQUESTS: "Requests that zik serve has answered, by route and status.",
    Name.HTTP_SECONDS: "Time from a request's headers to its answer, by route.",
    Name.HTTP_EVENTS: "Events that came by HTTP, by protocol: accepted, or refused for a reason.",
    Name.LAST_HTTP_REPORT: "When a process of zik serve last reported, in Unix time: each does every few seconds.",
    Name.DATABASE_UP: "Whether the database answered this scrape.",
    Name.SCHEMA_CURRENT: "Whether the schema is the one that this zik needs.",
    Name.DEAD_LETTERS: "Dead letters on the desk, by reason.",
    Name.STALE_STATISTICS: "Days of users with statistics to recompute.",
    Name.TOKENS: "Tokens by their last use: within a day, a week, longer ago, or never.",
}


@dataclass(frozen=True)
class ZikCollector(Collector):
    """Queries Redis and the database four times each a scrape, whatever the size of the history."""

    stream: EventStream
    engine: Engine

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering the collector queries no server."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Everything that can be read. A server that is away shows only as down."""
        for up, read in ((Name.REDIS_UP, self._of_redis), (Name.DATABASE_UP, self._of_database)):
            try:
                metrics = list(read())
            except ZikError:
                yield _gauge(up, 0)
            else:
                yield _gauge(up, 1)
                yield from metrics

    def _of_redis(self) -> Iterator[Metric]:
        books, last_progress_s, measured = self.stream.books(), self.stream.last_progress_s(), self.stream.measures()
        yield _counter(Name.RECEIVED, books.received)
        yield _counter(Name.RECORDED, books.recorded)
        yield _counter(Name.DUPLICATE, books.duplicate)
        yield _gauge(Name.DEAD, books.dead)
        yield _gauge(Name.WAITING, books.waiting)
        yield _gauge(Name.PENDING, books.pending)
        yield _gauge(Name.UNACCOUNTED, books.unaccounted)
        yield _gauge(Name.OLDEST_WAITING, books.oldest_waiting_s)
        yield _gauge(Name.DRAINS_RUNNING, len(running_drains(last_progress_s)))
        if last_progress_s:
            yield _gauge(Name.LAST_DRAIN_AGE, min(last_progress_s.values()))
        yield _histogram(Name.BATCH_EVENTS, BATCH_EVENTS, measured)
        yield _histogram(Name.BATCH_SECONDS, PHASE_SECONDS, measured, label="phase")
        yield _histogram(Name.TASK_SECONDS, TASK_SECONDS, measured, label="task")
        failed = CounterMetricFamily(Name.TASK_FAILURES, HELP[Name.TASK_FAILURES], labels=["task"])
        for task, count in failures(measured).items():
            failed.add_metric([task], count)
        yield failed
        yield from _of_http(measured)
        if aggregated_at := last_aggregation_at(measured):
            yield _gauge(Name.LAST_AGGREGATION, aggregated_at)

    def _of_database(self) -> Iterator[Metric]:
        with snapshot(self.engine) as session:
            current = current_revision(session.connection()) == newest_revision()
        yield _gauge(Name.SCHEMA_CURRENT, int(current))
        try:
            yield self._dead_letters()
            yield _gauge(Name.STALE_STATISTICS, self._stale_days())
            yield self._tokens()
        except DatabaseUnavailableError:
            raise
        except ZikError:
            return  # Without the tables there is nothing to count; SCHEMA_CURRENT shows it.

    def _dead_letters(self) -> Metric:
        letters = GaugeMetricFamily(Name.DEAD_LETTERS, HELP[Name.DEAD_LETTERS], labels=["reason"])
        for reason, count in dead_letters.count_by_reason(self.engine).items():
            letters.add_metric([reason], count)
        return letters

    def _stale_days(self) -> int:
        days = select(StaleDay.user_id, StaleDay.day).distinct().subquery()
        with snapshot(self.engine) as session:
            return session.scalar(select(func.count()).select_from(days)) or 0

    def _tokens(self) -> Metric:
        found = GaugeMetricFamily(Name.TOKENS, HELP[Name.TOKENS], labels=["last_use"])
        for last_use, count in count_by_last_use(self.engine, now=self.stream.now()).items():
            found.add_metric([last_use], count)
        return found


def _of_http(measured: Mapping[str, int]) -> Iterator[Metric]:
    requests = CounterMetricFamily(Name.HTTP_REQUESTS, HELP[Name.HTTP_REQUESTS], labels=["route", "status"])
    for labels, count in http_requests(measured).items():
        requests.add_metric(labels, count)
    yield requests
    yield _histogram(Name.HTTP_SECONDS, HTTP_SECONDS, measured, label="route")
    events = CounterMetricFamily(Name.HTTP_EVENTS, HELP[Name.HTTP_EVENTS], labels=["protocol", "outcome"])
    for labels, count in http_events(measured).items():
        events.add_metric(labels, count)
    yield events
    if reported_at := last_http_report_at(measured):
        yield _gauge(Name.LAST_HTTP_REPORT, reported_at)


def _gauge(name: Name, value: float) -> Metric:
    return GaugeMetricFamily(name, HELP[name], value=value)


def _counter(name: Name, value: float) -> Metric:
    return CounterMetricFamily(name, HELP[name], value=value)


def _histogram(name: Name, series: Series, measured: Mapping[str, int], *, label: str = "") -> Metric:
    histogram = HistogramMetricFamily(name, HELP[name], labels=[label] if label else None)
    for value, distribution in series.read(measured).items():
        histogram.add_metric([value] if label else [], distribution.buckets, distribution.sum)
    return histogram
