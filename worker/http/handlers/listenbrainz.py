"""Serve what ListenBrainz' clients write: listens, what plays now, and feedback."""

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from worker.http.body import read_body
from worker.http.endpoint import Answer, Endpoint, Handler, bearer, json_answer
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations.tokens import Scope
from worker.protocols import listenbrainz

_PROTOCOL: Final = "listenbrainz"


def refuse(refusal: RequestRefusedError, _: Request) -> Answer:
    return json_answer(refusal.status, listenbrainz.error(refusal.status, refusal.text), refusal.headers)


def direct_routes(services: Services) -> Mapping[tuple[str, str], ASGIApp]:
    """POST /1/submit-listens, which takes nearly all requests."""

    async def submit(request: Request) -> Answer:
        token = await services.tokens.authenticate(bearer(request), scope=Scope.SUBMIT)
        body = await read_body(request)
        now = services.now()
        sent = listenbrainz.submission_of(body, user=token.username, now=now)
        if sent.playing is not None:
            await services.ingest.set_now_playing(token, sent.playing, now=now)
            wanted = request.query_params.get("return_msid", "") == "true"
            return json_answer(200, listenbrainz.playing_answer(sent.playing, with_msid=wanted))
        traceparent = request.headers.get("traceparent")
        await services.ingest.submit(token, sent.items, protocol=_PROTOCOL, now=now, traceparent=traceparent)
        return json_answer(*listenbrainz.answer(sent.items))

    return {("POST", "/1/submit-listens"): _endpoint("/1/submit-listens", submit, services)}


def routes(services: Services) -> Sequence[BaseRoute]:
    """The others of the writing half."""

    async def validate_token(request: Request) -> Answer:
        text = bearer(request) or request.query_params.get("token", "")
        if not text:
            raise RequestRefusedError(400, "send the token: `Authorization: Token …`")
        token = await services.tokens.identify(text)
        return json_answer(200, listenbrainz.token_answer(token.username if token else None))

    async def delete_playing(request: Request) -> Answer:
        token = await services.tokens.authenticate(bearer(request), scope=Scope.SUBMIT)
        await services.ingest.clear_now_playing(token, client=listenbrainz.client_of(await read_body(request)))
        return json_answer(200, {"status": "ok"})

    return [
        Route(path, _endpoint(path, handle, services), methods=[method])
        for method, path, handle in (
            ("GET", "/1/validate-token", validate_token),
            ("POST", "/1/playing-now/delete", delete_playing),
        )
    ]


def _endpoint(route: str, handle: Handler, services: Services) -> Endpoint:
    return Endpoint(route, handle, refuse=refuse, gate=services.gate)
