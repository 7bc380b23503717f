"""Serve the webhooks of players that can send no header: the token is a part of the path."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import Message

from worker.http.body import read_body
from worker.http.endpoint import Answer, endpoints, json_answer, refuse_in_json
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations.tokens import Scope, Token
from worker.protocols import plex, web_scrobbler
from worker.protocols.submission import Notice

# Plex sends its notice, and a picture of the album.
_MOST_PARTS: Final = 10


def routes(services: Services) -> Sequence[BaseRoute]:
    """POST /hooks/<player>/<token>."""
    webhooks = _Webhooks(services)
    found = {
        ("POST", "/hooks/plex/{token}"): webhooks.plex,
        ("POST", "/hooks/web-scrobbler/{token}"): webhooks.web_scrobbler,
    }
    return endpoints(found, refuse=refuse_in_json, gate=services.gate)


class _Webhooks:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def _token(self, request: Request) -> Token:
        return await self._services.tokens.authenticate(request.path_params["token"], scope=Scope.SUBMIT)

    async def plex(self, request: Request) -> Answer:
        token = await self._token(request)
        payload = await _field(request, "payload")
        account = request.query_params.get("account")
        notice = plex.notice_of(payload, user=token.username, account=account, now=self._services.now())
        return await self._answer(token, notice, "plex")

    async def web_scrobbler(self, request: Request) -> Answer:
        token = await self._token(request)
        notice = web_scrobbler.notice_of(await read_body(request), user=token.username, now=self._services.now())
        return await self._answer(token, notice, "web-scrobbler")

    async def _answer(self, token: Token, notice: Notice, protocol: str) -> Answer:
        ingest, now = self._services.ingest, self._services.now()
        if notice.playing is not None:
            await ingest.set_now_playing(token, notice.playing, now=now)
        if notice.is_silent:
            await ingest.clear_now_playing(token, client=None)
        if notice.items:
            await ingest.submit(token, notice.items, protocol=protocol, now=now)
        refused = [item.error for item in notice.items if item.error is not None]
        if refused:
            raise RequestRefusedError(400, refused[0].detail)
        return json_answer(200, {"status": "ok"})


async def _field(request: Request, name: str) -> bytes:
    """A field of a form of whatever encoding."""
    body = await read_body(request)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    form_request = Request(request.scope, receive)
    try:
        async with form_request.form(max_files=_MOST_PARTS, max_fields=_MOST_PARTS) as form:
            value = form.get(name)
            return await value.read() if isinstance(value, UploadFile) else (value or "").encode()
    # Starlette raises another error where an application is around it.
    except (HTTPException, MultiPartException, ValueError):
        raise RequestRefusedError(400, f"the body must be a form with the field {name}") from None
