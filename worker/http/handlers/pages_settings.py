"""Set one's timezone, and who sees one's pages: as preferences, which go through the stream like every event."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.contract.timezones import RULE, TIMEZONE, names_timezone, timezone_names
from worker.database.engine import snapshot
from worker.http.body import read_body
from worker.http.endpoint import Answer
from worker.http.forms import parameters
from worker.http.page_access import own_frame, own_visit, page_endpoints
from worker.http.page_answers import page_answer
from worker.http.services import Services
from worker.http.sessions import Sessions, Visit
from worker.operations.tokens import Token
from worker.protocols.submission import checked
from worker.statistics import PUBLIC_PROFILE, find_listener, is_public

_PROTOCOL: Final = "native"
_PATH: Final = "/settings"


class _Chosen(NamedTuple):
    """`timezone` is empty if none is set."""

    timezone: str
    is_public: bool


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/settings`."""
    settings = _Settings(services)
    return page_endpoints(services, {("GET", _PATH): settings.show, ("POST", _PATH): settings.change})


class _Settings:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._sessions = Sessions(services)

    async def show(self, request: Request) -> Answer:
        visit, token = await own_visit(self._sessions, request)
        chosen = await self._services.in_database(_stored, token.username)
        return _page(request, visit, chosen)

    async def change(self, request: Request) -> Answer:
        visit, token = await own_visit(self._sessions, request)
        sent = parameters(request, await read_body(request))
        visit.check(sent)
        chosen = _Chosen(sent.get("timezone", "").strip(), bool(sent.get("public")))
        if chosen.timezone and not names_timezone(chosen.timezone):
            return _page(request, visit, chosen, problem=f"The timezone {RULE}.")
        await self._publish(token, {TIMEZONE: chosen.timezone or None, PUBLIC_PROFILE: chosen.is_public})
        # Not as it is stored: a worker has still to record it.
        return _page(request, visit, chosen, is_sent=True)

    async def _publish(self, token: Token, preferences: dict[str, Any]) -> None:
        now = self._services.now()
        common = {"type": "preference", "user": token.username, "time": now}
        items = [checked({**common, "key": key, "value": value}, now=now) for key, value in preferences.items()]
        await self._services.ingest.submit(token, items, protocol=_PROTOCOL, now=now)


def _page(request: Request, visit: Visit, chosen: _Chosen, *, problem: str = "", is_sent: bool = False) -> Answer:
    return page_answer(
        "settings",
        own_frame(request, visit),
        status=400 if problem else 200,
        chosen=chosen,
        problem=problem,
        is_sent=is_sent,
        timezones=sorted(timezone_names()),
    )


def _stored(engine: Engine, user: str) -> _Chosen:
    with snapshot(engine) as session:
        listener = find_listener(session.connection(), user)
        timezone = listener.preferred if names_timezone(listener.preferred) else ""
        return _Chosen(timezone, is_public(session.connection(), listener.id))
