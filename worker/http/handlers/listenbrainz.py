"""Serve what ListenBrainz' clients write: listens, what plays now, and feedback."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine, select
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from worker.database.engine import snapshot
from worker.http.body import read_body
from worker.http.endpoint import Answer, Endpoint, Handler, bearer, json_answer
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.models import Preference, User
from worker.operations import feedback
from worker.operations.tokens import Scope
from worker.protocols import listenbrainz
from worker.protocols.submission import checked, time_text

_PROTOCOL: Final = "listenbrainz"
# A preference of the user's: how far a client has imported, in seconds since 1970.
_LATEST_IMPORT: Final = "listenbrainz.latest_import"


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

    async def recording_feedback(request: Request) -> Answer:
        token = await services.tokens.authenticate(bearer(request), scope=Scope.SUBMIT)
        said = listenbrainz.feedback_of(await read_body(request))
        now = services.now()
        reference = f"{feedback.MSID}{said.identity}" if said.identity else f"{feedback.MBID}{said.mbid}"
        song = await services.in_database(feedback.find_song, reference)
        if song is None:
            await services.in_database(feedback.keep, token.username, reference, said.score, now)
        else:
            events = listenbrainz.feedback_events(said.score, song, user=token.username, now=now)
            await services.ingest.submit(token, events, protocol=_PROTOCOL, now=now)
        return json_answer(200, {"status": "ok"})

    async def latest_import(request: Request) -> Answer:
        token = await services.tokens.authenticate(bearer(request), scope=Scope.SUBMIT)
        now = services.now()
        at = listenbrainz.latest_import_of(await read_body(request))
        event = {
            "type": "preference",
            "time": time_text(now),
            "user": token.username,
            "key": _LATEST_IMPORT,
            "value": at,
        }
        await services.ingest.submit(token, [checked(event, now=now)], protocol=_PROTOCOL, now=now)
        return json_answer(200, {"status": "ok"})

    async def get_latest_import(request: Request) -> Answer:
        token = await services.tokens.authenticate(bearer(request), scope=Scope.READ)
        at = await services.in_database(_preference, token.username, _LATEST_IMPORT)
        return json_answer(200, {"musicbrainz_id": token.username, "latest_import": at or 0})

    async def delete_listen(request: Request) -> Answer:
        await services.tokens.authenticate(bearer(request), scope=Scope.SUBMIT)
        raise RequestRefusedError(501, "zik does not delete listens yet")

    return [
        Route(path, _endpoint(path, handle, services), methods=[method])
        for method, path, handle in (
            ("GET", "/1/validate-token", validate_token),
            ("POST", "/1/playing-now/delete", delete_playing),
            ("POST", "/1/feedback/recording-feedback", recording_feedback),
            ("POST", "/1/latest-import", latest_import),
            ("GET", "/1/latest-import", get_latest_import),
            ("POST", "/1/delete-listen", delete_listen),
        )
    ]


def _endpoint(route: str, handle: Handler, services: Services) -> Endpoint:
    return Endpoint(route, handle, refuse=refuse, gate=services.gate)


def _preference(engine: Engine, username: str, key: str) -> Any:
    of_user = select(Preference.value).join(User, User.id == Preference.user_id)
    with snapshot(engine) as session:
        return session.scalar(of_user.where(User.username == username, Preference.key == key))
