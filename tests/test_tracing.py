"""A publish and its row are one trace, wherever OpenTelemetry is installed and set up."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
import redis
import urllib3
from sqlalchemy import Engine

from tests.support.events import play_payload, play_payloads
from tests.support.http_server import HttpServer, serving
from tests.support.processes import ROOT, running, url_of
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM, TRACE_FIELD
from worker.tracing import MOST_LINKS

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

TRACE: Final = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SPAN: Final = 0x00F067AA0BA902B7
TRACEPARENT: Final = f"00-{TRACE:032x}-{SPAN:016x}-01"


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """OpenTelemetry allows one provider in a process; after these tests it keeps nothing more."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    exporter.shutdown()


class Spans:
    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def __call__(self) -> list[ReadableSpan]:
        """The spans that have ended since the last call."""
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Spans:
    exporter.clear()
    return Spans(exporter)


@pytest.fixture
def server(redis_url: str, sqlite: Engine) -> Iterator[HttpServer]:
    with serving(load_settings(redis_url=redis_url, database_url=url_of(sqlite)), sqlite) as server:
        yield server


def ids(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def links(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def play(title: str = "Parabola") -> bytes:
    return play_payload(title, user="ada")


def add(valkey: "redis.Redis", payload: bytes, traceparent: str | bytes) -> None:
    valkey.xadd(STREAM, {FIELD: payload, TRACE_FIELD: traceparent})


def traceparent_of(trace_id: int, span_id: int = SPAN, *, flags: str = "01") -> str:
    return f"00-{trace_id:032x}-{span_id:016x}-{flags}"


def test_a_publish_and_its_row_are_one_trace(server: HttpServer, spans: Spans) -> None:
    assert server.post("/v1/events", play(), traceparent=TRACEPARENT).status_code == 200
    server.drain()
    request, batch = spans()
    assert (request.name, request.kind) == ("POST /v1/events", SpanKind.SERVER)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/events",
        "http.response.status_code": 200,
    }
    assert request.parent is not None
    assert (request.parent.trace_id, request.parent.span_id) == (TRACE, SPAN)
    assert (batch.name, batch.kind) == ("zik.record", SpanKind.CONSUMER)
    assert batch.attributes == {"messaging.batch.message_count": 1, "zik.recorded": 1}
    assert ids(batch)[0] == TRACE
    assert batch.parent is not None
    assert (batch.parent.trace_id, batch.parent.span_id) == ids(request)
    assert links(batch) == [ids(request)]


@pytest.mark.parametrize("path", ["/v1/events", "/1/submit-listens"])
def test_a_request_without_a_trace_begins_one(server: HttpServer, spans: Spans, path: str) -> None:
    listen = {"listened_at": 1_700_000_000, "track_metadata": {"artist_name": "Tool", "track_name": "Parabola"}}
    bodies = {"/v1/events": play(), "/1/submit-listens": {"listen_type": "single", "payload": [listen]}}
    assert server.post(path, bodies[path]).status_code == 200
    server.drain()
    request, batch = spans()
    assert request.parent is None
    assert links(batch) == [ids(request)]


SET_UP: Final = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
"""


def test_requests_served_at_once_keep_their_traces_apart(
    redis_url: str, valkey: "redis.Redis", sqlite: Engine, tmp_path: Path
) -> None:
    """As granian runs them, in a process that is set up as `opentelemetry-instrument` does it."""
    (tmp_path / "sitecustomize.py").write_text(SET_UP)
    token = tokens.create(sqlite, "ada", name="test", scopes=[Scope.SUBMIT])
    port = free_port()
    where = {"REDIS_URL": redis_url, "DATABASE_URL": url_of(sqlite), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with running(["worker", "serve", "--port", str(port)], folder=tmp_path, **where) as server:
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=16, retries=urllib3.Retry(20, backoff_factor=0.1))

        def publish(trace_id: int) -> int:
            headers = {"authorization": f"Token {token}", "traceparent": traceparent_of(trace_id)}
            return pool.request("POST", "/v1/events", body=play(f"{trace_id:032x}"), headers=headers).status

        assert publish(1) == 200, server.log
        with ThreadPoolExecutor(16) as threads:
            assert set(threads.map(publish, range(2, 200))) == {200}
    entries: Any = valkey.xrange(STREAM)
    carried = [fields[TRACE_FIELD].decode().split("-") for _, fields in entries]
    assert [part[1] for part in carried] == [json.loads(fields[FIELD])["song"]["title"] for _, fields in entries]
    assert len({part[2] for part in carried} - {f"{SPAN:016x}"}) == 199


def test_requests_of_several_traces_are_linked_once_each(server: HttpServer, spans: Spans) -> None:
    for number in range(3):
        lines = b"\n".join([play(f"{number}"), play(f"{number} again")])
        assert server.post("/v1/events", lines).status_code == 200
    requests = spans()
    server.drain()
    (batch,) = spans()
    assert batch.parent is None
    assert links(batch) == [ids(request) for request in requests]
    assert ids(batch)[0] not in {ids(request)[0] for request in requests}
    assert batch.attributes == {"messaging.batch.message_count": 6, "zik.recorded": 6}


def test_the_links_of_a_batch_are_bounded(
    stream: EventStream, valkey: "redis.Redis", sqlite: Engine, spans: Spans
) -> None:
    for number in range(1, MOST_LINKS + 20):
        add(valkey, play(f"{number}"), traceparent_of(number))
    Drain(stream, sqlite, "a").run()
    (batch,) = spans()
    assert links(batch) == [(number, SPAN) for number in range(1, MOST_LINKS + 1)]


def test_what_leads_nowhere_takes_no_place_among_the_links(
    stream: EventStream, valkey: "redis.Redis", sqlite: Engine, spans: Spans
) -> None:
    for number in range(1, MOST_LINKS + 20):
        add(valkey, play(f"{number}"), traceparent_of(number, flags="00"))
    for malformed in (b"", b"\xff\x00", "00-00-00-00", traceparent_of(0), "x" * 10_000):
        add(valkey, play(f"{malformed!r}"[:20]), malformed)
    add(valkey, play("sampled"), TRACEPARENT)
    assert Drain(stream, sqlite, "a").run().events == MOST_LINKS + 25
    (batch,) = spans()
    assert links(batch) == [(TRACE, SPAN)]


def test_entries_without_a_trace_have_a_span_of_their_batch(stream: EventStream, sqlite: Engine, spans: Spans) -> None:
    stream.append([*play_payloads(10), b"{"])
    Drain(stream, sqlite, "a").run()
    (batch,) = spans()
    assert (batch.parent, links(batch)) == (None, [])
    assert batch.attributes == {"messaging.batch.message_count": 11, "zik.recorded": 10, "zik.dead": 1}


def test_a_batch_is_no_part_of_the_task_that_records_it(stream: EventStream, sqlite: Engine, spans: Spans) -> None:
    stream.append(play_payloads(1))
    with trace.get_tracer("celery").start_as_current_span("run/record_events"):
        Drain(stream, sqlite, "a").run()
    batch, _ = spans()
    assert batch.parent is None


def test_a_drain_that_finds_nothing_has_no_span(stream: EventStream, sqlite: Engine, spans: Spans) -> None:
    Drain(stream, sqlite, "a").run()
    assert spans() == []


def test_probes_have_no_span(server: HttpServer, spans: Spans) -> None:
    assert server.get("/v1/health").status_code == server.get("/v1/openapi.json").status_code == 200
    assert spans() == []


def test_an_answer_503_is_an_error_of_its_span(
    redis_url: str, stream: EventStream, sqlite: Engine, spans: Spans
) -> None:
    stream.append([play()])
    settings = load_settings(redis_url=redis_url, database_url=url_of(sqlite), max_waiting=1)
    with serving(settings, sqlite) as server:
        assert server.post("/v1/events", play()).status_code == 503
        assert server.post("/1/submit-listens", b"\xff").status_code == 400
    unavailable, malformed = spans()
    assert unavailable.status.status_code is StatusCode.ERROR
    assert malformed.status.status_code is StatusCode.UNSET


def test_no_span_holds_what_is_listened_to_or_a_token(
    server: HttpServer, stream: EventStream, sqlite: Engine, spans: Spans
) -> None:
    secret = server.token
    server.post("/v1/events", play("canary"), traceparent=TRACEPARENT)
    server.get("/1/user/ada/listens")
    server.get("/1/validate-token", token=secret)

    def quote(*_: object, **__: object) -> Any:
        raise DatabaseUnavailableError("canary of ada")

    with pytest.raises(DatabaseUnavailableError):
        Drain(stream, sqlite, "a", record=quote).run()
    found = spans()
    assert [span.name for span in found] == [
        "POST /v1/events",
        "GET /1/user/{user}/listens",
        "GET /1/validate-token",
        "zik.record",
    ]
    assert found[-1].status.status_code is StatusCode.ERROR
    assert found[-1].status.description == "DatabaseUnavailableError"
    shown = "".join(span.to_json() for span in found)
    # Not the name alone, which is also three digits of an id.
    assert [word for word in ("canary", "of ada", "user/ada", secret) if word in shown] == []


# --- without OpenTelemetry -----------------------------------------------------------------------

WITHOUT: Final = """
import sys

sys.modules["opentelemetry"] = None
from worker.tracing import batch_span, current_traceparent, request_span

with request_span("POST", "/v1/events", {"traceparent": "00-1"}) as note_status:
    assert current_traceparent() is None
    note_status(200)
with batch_span(1, [b"00-1"]) as note_outcomes:
    note_outcomes({})
try:
    with batch_span(1, []):
        raise KeyError
except KeyError:
    print("passed on")
assert not [name for name in sys.modules if name.startswith("opentelemetry.")]
"""


def test_without_opentelemetry_nothing_is_traced() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout == "passed on\n", run.stderr


def test_without_a_span_the_traceparent_of_a_request_goes_into_the_stream(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.tracing._is_installed", False)
    server.post("/v1/events", play(), traceparent=TRACEPARENT)
    with server.redis() as redis:
        ((_, fields),) = redis.xrange(STREAM)
    assert fields == {FIELD: fields[FIELD], TRACE_FIELD: TRACEPARENT.encode()}
    assert json.loads(fields[FIELD])["user"] == "ada"
