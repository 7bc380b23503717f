"""Serve what all pages need: signing in and out, the style sheet and the icon."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.body import read_body
from worker.http.endpoint import Answer
from worker.http.forms import parameters
from worker.http.page_access import page_endpoints
from worker.http.page_answers import here, no_such_page, page_answer, redirect
from worker.http.services import Services
from worker.http.sessions import Sessions, Visit, cookie
from worker.pages import links
from worker.pages.rendering import Frame, assets

SIGN_IN: Final = "/sign-in"
_FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
_NOT_LET_IN: Final = "There is no such token, or it may not read. Check that all of it was pasted."


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/sign-in`, `/sign-out` and `/page-assets/…`."""
    pages = _Pages(services)
    found = {
        ("GET", SIGN_IN): pages.ask,
        ("POST", SIGN_IN): pages.sign_in,
        ("POST", "/sign-out"): pages.sign_out,
        ("GET", "/page-assets/{digest}/{name}"): pages.asset,
    }
    return page_endpoints(services, found)


class _Pages:
    def __init__(self, services: Services) -> None:
        self._sessions = Sessions(services)

    async def ask(self, request: Request) -> Answer:
        visit = await self._sessions.visit(request)
        to = request.query_params.get("to", "")
        if visit.token is not None:
            return redirect(links.local(to) or links.home(visit.token.username))
        return _form(request, visit, to)

    async def sign_in(self, request: Request) -> Answer:
        visit = await self._sessions.visit(request)
        sent = parameters(request, await read_body(request))
        visit.check(sent)
        to = sent.get("to", "")
        signed_in = await self._sessions.sign_in(request, sent.get("token", "").strip())
        if signed_in is None or signed_in.token is None:
            return _form(request, visit, to, status=403, problem=_NOT_LET_IN)
        return redirect(links.local(to) or links.home(signed_in.token.username), cookie(request, signed_in))

    async def sign_out(self, request: Request) -> Answer:
        visit = await self._sessions.visit(request)
        visit.check(parameters(request, await read_body(request)))
        await self._sessions.sign_out(visit)
        return redirect(SIGN_IN)

    async def asset(self, request: Request) -> Answer:
        found = assets().get(request.url.path)
        if found is None:
            raise no_such_page()
        content_type, content = found
        return Answer(200, content, content_type, _FOR_EVER)


def _form(request: Request, visit: Visit, to: str, *, status: int = 200, problem: str = "") -> Answer:
    """`to` is the page to come back to, empty for the profile."""
    frame = Frame(here=here(request), form=visit.form)
    return page_answer("sign_in", frame, status=status, headers=cookie(request, visit), problem=problem, to=to)
