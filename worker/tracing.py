"""Trace requests and batches where OpenTelemetry is installed and set up; elsewhere do nothing.

A request's span goes with its events through the stream (`traceparent`), and the span of the batch that records them
leads back to it. No span holds what anyone listens to: it is named by its route, and has of an error only the type.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from worker import __version__
from worker.books import Outcome

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError:
    _is_installed = False
else:
    _is_installed = True
    _TRACER: Final = trace.get_tracer("zik", __version__)
    _W3C: Final = TraceContextTextMapPropagator()

# As many as an SDK keeps by default.
MOST_LINKS: Final = 128
_TRACEPARENT: Final = "traceparent"
_SERVERS_FAULT: Final = 500

# Called with the status of a request's answer.
NoteStatus = Callable[[int], None]
# Called with how many entries of a batch had which outcome.
NoteOutcomes = Callable[[Mapping[Outcome, int]], None]

UNTRACED: Final[AbstractContextManager[Callable[[object], None]]] = nullcontext(lambda _: None)


def request_span(method: str, route: str, headers: Mapping[str, str]) -> AbstractContextManager[NoteStatus]:
    """Continue the trace that the headers name, or begin one: within the block, `current_traceparent` names this span.

    `route` is the path without what a client chooses.
    """
    return _request_span(method, route, headers) if _is_set_up() else UNTRACED


def current_traceparent() -> str | None:
    """The W3C trace context of the span around the caller; None where there is none."""
    if not _is_set_up():
        return None
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get(_TRACEPARENT)


def batch_span(size: int, traceparents: Iterable[bytes]) -> AbstractContextManager[NoteOutcomes]:
    """One span for a batch of entries, with a link to each sampled span that they came with, at most `MOST_LINKS`.

    If all these are of one trace, the span belongs to that. Otherwise it begins a trace, even within a Celery task: the
    span of a drain is seldom sampled, because workers ask for one every second.
    """
    return _batch_span(size, traceparents) if _is_set_up() else UNTRACED


def _is_set_up() -> bool:
    """Whether spans lead anywhere: the API alone takes a tenth of a request for spans that no one keeps."""
    return _is_installed and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def _request_span(method: str, route: str, headers: Mapping[str, str]) -> Iterator[NoteStatus]:
    attributes = {"http.request.method": method, "http.route": route}
    with _current_span(f"{method} {route}", SpanKind.SERVER, propagate.extract(headers), attributes) as span:
        yield lambda status: _note_status(span, status)


def _note_status(span: "Span", status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= _SERVERS_FAULT:
        span.set_status(Status(StatusCode.ERROR))


@contextmanager
def _batch_span(size: int, traceparents: Iterable[bytes]) -> Iterator[NoteOutcomes]:
    parents = _sampled(traceparents)
    is_one_trace = len({_named(parent).trace_id for parent in parents}) == 1
    parent = parents[0] if is_one_trace else Context()
    links = [Link(_named(parent)) for parent in parents]
    attributes = {"messaging.batch.message_count": size}
    with _current_span("zik.record", SpanKind.CONSUMER, parent, attributes, links) as span:
        yield lambda outcomes: span.set_attributes({f"zik.{outcome}": number for outcome, number in outcomes.items()})


@contextmanager
def _current_span(
    name: str,
    kind: "SpanKind",
    parent: "Context",
    attributes: Mapping[str, str | int],
    links: "list[Link] | None" = None,
) -> "Iterator[Span]":
    """A span that is the current one within the block. Records the type of an error: its text may name a listener."""
    with _TRACER.start_as_current_span(
        name, parent, kind, attributes, links, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _sampled(traceparents: Iterable[bytes]) -> "list[Context]":
    """The different contexts, in order, without those that lead nowhere: malformed or not sampled."""
    found: list[Context] = []
    for traceparent in dict.fromkeys(traceparents):
        context = _W3C.extract({_TRACEPARENT: traceparent.decode("latin-1")}, Context())
        if _named(context).trace_flags.sampled:
            found.append(context)
            if len(found) == MOST_LINKS:
                break
    return found


def _named(context: "Context") -> "SpanContext":
    return trace.get_current_span(context).get_span_context()
