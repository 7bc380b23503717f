"""Serve what ListenBrainz' clients write: listens, what plays now, and feedback."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from sqlalchemy import Engine, select
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from worker.database.engine import snapshot
from worker.http.body import read_body
from worker.http.endpoint import Answer, Endpoint, bearer, endpoints, json_answer, refuse_in_json
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.models import Preference, User
from worker.operations import feedback
from worker.operations.corrections import delete_play
from worker.operations.tokens import Scope, Token
from worker.protocols import listenbrainz
from worker.protocols.submission import checked

_PROTOCOL: Final = "listenbrainz"
_SUBMIT: Final = "/1/submit-listens"
# A preference of the user's: how far a client has imported, in seconds since 1970.
_LATEST_IMPORT: Final = "listenbrainz.latest_import"


def direct_routes(services: Services) -> Mapping[tuple[str, str], ASGIApp]:
    """Where nearly all requests go."""
    submit = Endpoint(_SUBMIT, _Writer(services).submit, refuse=refuse_in_json, gate=services.gate)
    return {("POST", _SUBMIT): submit}


def routes(services: Services) -> Sequence[BaseRoute]:
    """The others of the writing half."""
    writer = _Writer(services)
    found = {
        ("GET", "/1/validate-token"): writer.validate_token,
        ("POST", "/1/playing-now/delete"): writer.delete_playing_now,
        ("POST", "/1/feedback/recording-feedback"): writer.recording_feedback,
        ("GET", "/1/latest-import"): writer.latest_import,
        ("POST", "/1/latest-import"): writer.set_latest_import,
        ("POST", "/1/delete-listen"): writer.delete_listen,
    }
    return endpoints(found, refuse=refuse_in_json, gate=services.gate)


class _Writer:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._ingest = services.ingest

    async def _token(self, request: Request, scope: Scope = Scope.SUBMIT) -> Token:
        return await self._services.tokens.authenticate(bearer(request), scope=scope)

    async def submit(self, request: Request) -> Answer:
        token = await self._token(request)
        body = await read_body(request)
        now = self._services.now()
        sent = listenbrainz.submission_of(body, user=token.username, now=now)
        if sent.playing is not None:
            await self._ingest.set_now_playing(token, sent.playing, now=now)
            with_msid = request.query_params.get("return_msid") == "true"
            return json_answer(200, listenbrainz.playing_answer(sent.playing, with_msid=with_msid))
        traceparent = request.headers.get("traceparent")
        await self._ingest.submit(token, sent.items, protocol=_PROTOCOL, now=now, traceparent=traceparent)
        return json_answer(*listenbrainz.answer(sent.items))

    async def validate_token(self, request: Request) -> Answer:
        text = bearer(request) or request.query_params.get("token", "")
        if not text:
            raise RequestRefusedError(400, "send the token: `Authorization: Token …`")
        token = await self._services.tokens.identify(text)
        return json_answer(200, listenbrainz.token_answer(token.username if token else None))

    async def delete_playing_now(self, request: Request) -> Answer:
        token = await self._token(request)
        await self._ingest.clear_now_playing(token, client=listenbrainz.client_of(await read_body(request)))
        return _OK

    async def recording_feedback(self, request: Request) -> Answer:
        """Publish it if zik knows the song, else keep it until an event names the song."""
        token = await self._token(request)
        said = listenbrainz.feedback_of(await read_body(request))
        now = self._services.now()
        reference = f"{feedback.MSID}{said.identity}" if said.identity else f"{feedback.MBID}{said.mbid}"
        song = await self._services.in_database(feedback.find_song, reference)
        if song is None:
            await self._services.in_database(feedback.keep, token.username, reference, said.score, now)
        else:
            events = listenbrainz.feedback_events(said.score, song, user=token.username, now=now)
            await self._ingest.submit(token, events, protocol=_PROTOCOL, now=now)
        return _OK

    async def latest_import(self, request: Request) -> Answer:
        token = await self._token(request, Scope.READ)
        at = await self._services.in_database(_preference, token.username, _LATEST_IMPORT)
        return json_answer(200, {"musicbrainz_id": token.username, "latest_import": at or 0})

    async def set_latest_import(self, request: Request) -> Answer:
        token = await self._token(request)
        value = listenbrainz.latest_import_of(await read_body(request))
        now = self._services.now()
        event = {"type": "preference", "time": now.astimezone(UTC), "user": token.username, "key": _LATEST_IMPORT}
        item = checked({**event, "value": value}, now=now)
        await self._ingest.submit(token, [item], protocol=_PROTOCOL, now=now)
        return _OK

    async def delete_listen(self, request: Request) -> Answer:
        """Delete it for good: no import brings it back. A listen that no worker has recorded yet cannot be deleted."""
        token = await self._token(request)
        at, identity = listenbrainz.deletion_of(await read_body(request))
        if not await self._services.in_database(delete_play, token.username, at, identity):
            raise RequestRefusedError(404, "no such listen is recorded, or not yet")
        await self._services.announce_changed(token.username)
        return _OK


_OK: Final = json_answer(200, {"status": "ok"})


def _preference(engine: Engine, username: str, key: str) -> Any:
    of_user = select(Preference.value).join(User, User.id == Preference.user_id)
    with snapshot(engine) as session:
        return session.scalar(of_user.where(User.username == username, Preference.key == key))
