"""Serve one route: within the limit of requests at once, in the protocol's own format whatever goes wrong."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from worker.errors import ZikError
from worker.http.body import ClientGoneError, held_bodies
from worker.http.metering import Meter
from worker.http.refusals import RequestRefusedError, busy, refusal_of
from worker.stream.measurements import of_http_request
from worker.tracing import UNTRACED, request_span

logger = logging.getLogger(__name__)

ENCODER: Final = msgspec.json.Encoder()
_JSON: Final = "application/json; charset=utf-8"
# A request holds at most its body, what is read from it, and an answer.
_SERVERS_FAULT: Final = 500
_MOST_AT_ONCE: Final = 1_000


class Stream(Protocol):
    """A body that goes on. `close` is called once, also where no message was read."""

    def messages(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: str = _JSON
    headers: Mapping[str, str] = {}
    stream: Stream | None = None


Handler = Callable[[Request], Awaitable[Answer]]
# How a protocol says why it does not serve a request.
WriteRefusal = Callable[[RequestRefusedError, Request], Answer]


@dataclass
class Gate:
    """How many requests this process serves at once."""

    most: int = _MOST_AT_ONCE
    inside: int = 0
    meter: Meter = field(default_factory=Meter)

    def enter(self) -> None:
        """Follow it by `leave`. Raises `RequestRefusedError` where too many are inside."""
        if self.inside >= self.most:
            raise busy()
        self.inside += 1

    def leave(self) -> None:
        self.inside -= 1


class Endpoint:
    """An ASGI application of one route. Metrics and traces name it `route`, so that holds nothing a client chooses."""

    def __init__(
        self, route: str, handle: Handler, *, refuse: WriteRefusal, gate: Gate, is_traced: bool = True
    ) -> None:
        self._route = route
        self._handle = handle
        self._refuse = refuse
        self._gate = gate
        self._is_traced = is_traced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        began_s = perf_counter()
        try:
            span = request_span(request.method, self._route, request.headers) if self._is_traced else UNTRACED
            with span as note_status:
                answer = await self._answer(request)
                note_status(answer.status)
        except ClientGoneError:
            return
        finally:
            held_bodies.give_back(request)
        self._gate.meter.add(of_http_request(self._route, answer.status, perf_counter() - began_s))
        with_body = scope["method"] != "HEAD"
        if answer.stream is None:
            await respond(send, answer, with_body=with_body)
            return
        try:
            await (
                _respond_for_long(answer, answer.stream, scope, receive, send) if with_body else respond(send, answer)
            )
        finally:
            answer.stream.close()

    async def _answer(self, request: Request) -> Answer:
        try:
            self._gate.enter()
            try:
                return await self._handle(request)
            finally:
                self._gate.leave()
        except RequestRefusedError as refusal:
            return self._refuse(refusal, request)
        except ZikError as error:
            meaning = refusal_of(error)
            if meaning.status >= _SERVERS_FAULT:
                # The text names servers, and no event.
                logger.warning("a request failed", extra={"route": self._route, "why": str(error)})
            return self._refuse(meaning, request)
        except ClientGoneError:
            raise
        except Exception:  # The server goes on, and the client learns that nothing is certain.
            logger.exception("a request met a bug", extra={"route": self._route})
            return self._refuse(RequestRefusedError(500, "internal error: try again later", retry_after_s=60), request)


def endpoints(handlers: Mapping[tuple[str, str], Handler], *, refuse: WriteRefusal, gate: Gate) -> Sequence[BaseRoute]:
    """A route for each method and path."""
    return [
        Route(path, Endpoint(path, handle, refuse=refuse, gate=gate), methods=[method])
        for (method, path), handle in handlers.items()
    ]


async def respond(send: Send, answer: Answer, *, with_body: bool = True) -> None:
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
        *_encoded(answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


async def _respond_for_long(answer: Answer, stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
    response = StreamingResponse(stream.messages(), answer.status, answer.headers, answer.content_type)
    with suppress(ClientDisconnect):
        await response(scope, receive, send)


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)


def bearer(request: Request) -> str:
    """The token of the Authorization header, whatever word and case precedes it; empty if there is none.

    Clients write `Token`, `token` and `Bearer`, and some no word at all.
    """
    return (request.headers.get("authorization") or "").rpartition(" ")[2].strip()


def refuse_in_json(refusal: RequestRefusedError, _: Request) -> Answer:
    """How ListenBrainz' clients, webhooks and zik's own API read a refusal: by its `code`."""
    return json_answer(refusal.status, {"code": refusal.status, "error": refusal.text}, refusal.headers)


def json_answer(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, ENCODER.encode(content), headers=headers or {})
