"""Serve AudioScrobbler 1.2: a handshake, then submissions. Every answer has the status 200, as its clients need."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.body import read_body
from worker.http.endpoint import Answer, endpoints
from worker.http.forms import parameters
from worker.http.origin import origin
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.protocols import audioscrobbler, proofs

_PROTOCOL: Final = "audioscrobbler"
# Where Maloja has it, too.
_PREFIXES: Final = ("", "/apis/audioscrobbler_legacy")
_SIGNED_OUT: Final = {401, 403}


def refuse(refusal: RequestRefusedError, _: Request) -> Answer:
    text = audioscrobbler.BAD_SESSION if refusal.status in _SIGNED_OUT else audioscrobbler.failed(refusal.text)
    return _text(text)


def routes(services: Services) -> Sequence[BaseRoute]:
    """The handshake at `/`, and what it leads to."""
    server = _AudioScrobbler(services)
    found = {
        (method, f"{prefix}{path}"): handle
        for prefix in _PREFIXES
        for method, path, handle in (
            ("GET", "" if prefix else "/", server.handshake),
            ("POST", "/np_1.2", server.now_playing),
            ("POST", "/protocol_1.2", server.submit),
        )
    }
    return endpoints(found, refuse=refuse, gate=services.gate)


class _AudioScrobbler:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def handshake(self, request: Request) -> Answer:
        sent = dict(request.query_params)
        if sent.get("hs") != "true":
            # A person, with a browser.
            return Answer(303, b"", headers={"location": "/sign-in"})
        asked = audioscrobbler.handshake_of(sent, now=self._services.now())
        if asked is None:
            return _text(audioscrobbler.BAD_TIME)
        for token in await self._services.in_database(tokens.of_user_with_audioscrobbler, asked.user):
            stored = token.audioscrobbler or ""
            if proofs.proves_audioscrobbler(asked.proof, stored=stored, time=asked.time):
                base = origin(request)
                answer = audioscrobbler.handshake_answer(
                    asked,
                    key=proofs.session_key(token.id, stored),
                    playing_url=f"{base}/np_1.2",
                    submission_url=f"{base}/protocol_1.2",
                )
                return _text(answer)
        return _text(audioscrobbler.BAD_AUTH)

    async def now_playing(self, request: Request) -> Answer:
        sent = parameters(request, await read_body(request))
        token = await self._services.tokens.authenticate_session(sent.get("s", ""), scope=Scope.SUBMIT)
        now = self._services.now()
        playing = audioscrobbler.playing_of(sent, user=token.username, now=now)
        await self._services.ingest.set_now_playing(token, playing, now=now)
        return _text(audioscrobbler.OK)

    async def submit(self, request: Request) -> Answer:
        sent = parameters(request, await read_body(request))
        token = await self._services.tokens.authenticate_session(sent.get("s", ""), scope=Scope.SUBMIT)
        now = self._services.now()
        items = audioscrobbler.plays_of(sent, user=token.username, now=now)
        await self._services.ingest.submit(token, items, protocol=_PROTOCOL, now=now)
        # Its clients send a refused batch again for ever, so a bad play is on the desk alone.
        return _text(audioscrobbler.OK)


def _text(text: str) -> Answer:
    return Answer(200, text.encode(), "text/plain; charset=utf-8")
