"""Serve Last.fm's API 2.0: one path, a method in the parameters, XML unless JSON is asked for."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.body import read_body
from worker.http.endpoint import Answer, bearer, endpoints, json_answer
from worker.http.forms import parameters, user_agent
from worker.http.handlers.lastfm_reading import Reading
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations import tokens
from worker.operations.tokens import Scope, Token
from worker.protocols import lastfm, lastfm_answers, proofs
from worker.protocols.lastfm_answers import Error

_PROTOCOL: Final = "lastfm"
_PATH: Final = "/2.0"
# A person signs in on the page meanwhile.
SIGN_IN_S: Final = 3_600
_CODES: Final = {
    400: Error.INVALID_PARAMETERS,
    401: Error.INVALID_SESSION,
    403: Error.AUTHENTICATION_FAILED,
    404: Error.INVALID_RESOURCE,
    408: Error.INVALID_PARAMETERS,
    413: Error.INVALID_PARAMETERS,
    415: Error.INVALID_PARAMETERS,
    429: Error.RATE_LIMIT,
}

Parameters = Mapping[str, str]
Body = dict[str, Any]


class FailedError(RequestRefusedError):
    """A refusal with a code of Last.fm's."""

    def __init__(self, code: Error, text: str) -> None:
        super().__init__(lastfm_answers.status_of(code), text)
        self.code = code


def refuse(refusal: RequestRefusedError, request: Request) -> Answer:
    code = refusal.code if isinstance(refusal, FailedError) else _CODES.get(refusal.status, Error.TEMPORARY)
    status = lastfm_answers.status_of(code)
    if _wants_json(request):
        return json_answer(status, lastfm_answers.error_json(code, refusal.text), refusal.headers)
    return _xml(status, lastfm_answers.error_xml(code, refusal.text), refusal.headers)


def routes(services: Services) -> Sequence[BaseRoute]:
    """GET and POST /2.0."""
    server = _LastFm(services)
    found = {(method, _PATH): server.call for method in ("GET", "POST")}
    return endpoints(found, refuse=refuse, gate=services.gate)


class _LastFm:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._tokens = services.tokens
        reading = Reading(services)
        self._methods: Mapping[str, Callable[[Request, Parameters], Awaitable[Body]]] = {
            "auth.getmobilesession": self._mobile_session,
            "auth.gettoken": self._sign_in,
            "auth.getsession": self._session,
            "track.scrobble": self._scrobble,
            "track.updatenowplaying": self._update_now_playing,
            "track.love": self._love,
            "track.unlove": self._unlove,
            **{name: self._reading(method) for name, method in reading.methods.items()},
        }

    async def call(self, request: Request) -> Answer:
        sent = parameters(request, await read_body(request))
        request.state.format = sent.get("format", "")
        method = self._methods.get(sent.get("method", "").lower())
        if method is None:
            raise FailedError(Error.INVALID_METHOD, "zik has no method of this name")
        body = await method(request, sent)
        return json_answer(200, body) if _wants_json(request) else _xml(200, lastfm_answers.xml(body))

    # --- Sessions ---------------------------------------------------------------------------------

    async def _mobile_session(self, request: Request, sent: Parameters) -> Body:
        del request
        login = lastfm.login_of(sent)
        if login.password is not None:
            token = await self._tokens.identify(login.password)
            if token is not None and token.username == login.user:
                return lastfm_answers.session(token.username, session_key(token) or login.password)
        elif login.proof is not None:
            for token in await self._services.in_database(tokens.of_user_with_audioscrobbler, login.user):
                if proofs.proves_lastfm(login.proof, stored=token.audioscrobbler or "", user=login.user):
                    return lastfm_answers.session(token.username, session_key(token))
        text = "no token of this user: the password is one, and a proof of it needs `zik token create --audioscrobbler`"
        raise FailedError(Error.AUTHENTICATION_FAILED, text)

    async def _sign_in(self, request: Request, sent: Parameters) -> Body:
        """The first step of the way by a page: the person enters a token at `/api/auth`."""
        del request, sent
        text = secrets.token_hex(16)
        await self._services.stream.put(sign_in_name(text), b"", ttl_s=SIGN_IN_S)
        return lastfm_answers.token(text)

    async def _session(self, request: Request, sent: Parameters) -> Body:
        """The last step: whoever signed in is whose session it is."""
        del request
        name = sign_in_name(sent.get("token", ""))
        signed_in = await self._services.stream.get(name)
        if signed_in is None:
            raise FailedError(Error.TOKEN_EXPIRED, "this token is unknown or older than an hour: ask for another")
        if not signed_in:
            raise FailedError(Error.UNAUTHORIZED_TOKEN, "nobody has signed in with this token yet")
        await self._services.stream.take(name)
        key, _, username = signed_in.decode().partition(" ")
        return lastfm_answers.session(username, key)

    async def _token(self, sent: Parameters, scope: Scope) -> Token:
        return await self._tokens.authenticate_session(sent.get("sk", ""), scope=scope)

    # --- Writing ----------------------------------------------------------------------------------

    async def _scrobble(self, request: Request, sent: Parameters) -> Body:
        token = await self._token(sent, Scope.SUBMIT)
        now = self._services.now()
        scrobbles = lastfm.scrobbles_of(sent, user=token.username, client=user_agent(request), now=now)
        items = [scrobble.item for scrobble in scrobbles]
        traceparent = request.headers.get("traceparent")
        await self._services.ingest.submit(token, items, protocol=_PROTOCOL, now=now, traceparent=traceparent)
        return lastfm_answers.scrobbled(scrobbles)

    async def _update_now_playing(self, request: Request, sent: Parameters) -> Body:
        token = await self._token(sent, Scope.SUBMIT)
        now = self._services.now()
        playing = lastfm.playing_of(sent, user=token.username, client=user_agent(request), now=now)
        await self._services.ingest.set_now_playing(token, playing, now=now)
        return lastfm_answers.now_playing(playing)

    async def _love(self, request: Request, sent: Parameters) -> Body:
        return await self._say(request, sent, loved=True)

    async def _unlove(self, request: Request, sent: Parameters) -> Body:
        return await self._say(request, sent, loved=False)

    async def _say(self, request: Request, sent: Parameters, *, loved: bool) -> Body:
        token = await self._token(sent, Scope.SUBMIT)
        now = self._services.now()
        item = lastfm.love_of(sent, loved=loved, user=token.username, client=user_agent(request), now=now)
        await self._services.ingest.submit(token, [item], protocol=_PROTOCOL, now=now)
        return lastfm_answers.loved()

    # --- Reading ----------------------------------------------------------------------------------

    def _reading(
        self, method: Callable[[Request, str, Parameters], Awaitable[Body]]
    ) -> Callable[[Request, Parameters], Awaitable[Body]]:
        async def answer(request: Request, sent: Parameters) -> Body:
            # A reader without a session may send a token as its API key, or in the header.
            text = sent.get("sk") or bearer(request) or sent.get("api_key", "")
            token = await self._tokens.authenticate_session(text, scope=Scope.READ)
            user = sent.get("user") or token.username
            if user != token.username and Scope.ADMIN not in token.scopes:
                raise FailedError(Error.AUTHENTICATION_FAILED, "the session is another user's")
            return await method(request, user, sent)

        return answer


def sign_in_name(text: str) -> str:
    """Under which name the stream keeps a sign-in that is under way."""
    return f"lastfm:{text[:64]}"


def session_key(token: Token) -> str:
    """The key of a session of this token; empty if it was made for no sessions."""
    return proofs.session_key(token.id, token.audioscrobbler) if token.audioscrobbler else ""


def _wants_json(request: Request) -> bool:
    asked = getattr(request.state, "format", None) or request.query_params.get("format", "")
    return bool(asked.lower() == "json")


def _xml(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, body, "text/xml; charset=utf-8", headers or {})
