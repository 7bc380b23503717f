"""Serve zik's own API: events in, an answer for each."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from worker.http.body import read_body
from worker.http.endpoint import Answer, Endpoint, bearer, json_answer, refuse_in_json
from worker.http.openapi import document
from worker.http.services import Services
from worker.operations.tokens import Scope
from worker.protocols import native

_PROTOCOL = "native"


def events(services: Services) -> Endpoint:
    """POST /v1/events."""

    async def handle(request: Request) -> Answer:
        token = await services.tokens.authenticate(bearer(request), scope=Scope.SUBMIT)
        body = await read_body(request)
        now = services.now()
        is_admin = Scope.ADMIN in token.scopes
        judged = native.events_of(body, user=token.username, is_admin=is_admin, now=now)
        items = [one.item for one in judged if one.item is not None]
        traceparent = request.headers.get("traceparent")
        await services.ingest.submit(token, items, protocol=_PROTOCOL, now=now, traceparent=traceparent)
        return json_answer(200, native.answer(judged))

    return Endpoint("/v1/events", handle, refuse=refuse_in_json, gate=services.gate)


def routes(services: Services) -> Sequence[BaseRoute]:
    """The others of `/v1`."""

    async def health(_: Request) -> Answer:
        await services.stream.check()
        return json_answer(200, {"status": "ok"})

    async def openapi(_: Request) -> Answer:
        return json_answer(200, document())

    # Probes come every few seconds.
    return [
        Route(path, Endpoint(path, handle, refuse=refuse_in_json, gate=services.gate, is_traced=False), methods=["GET"])
        for path, handle in (("/v1/health", health), ("/v1/openapi.json", openapi))
    ]
