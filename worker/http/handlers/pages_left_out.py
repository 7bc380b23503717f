"""Leave songs and artists out of a listener's statistics, list them, and count them again. Each listener their own."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.database.engine import snapshot
from worker.http.body import read_body
from worker.http.endpoint import Answer
from worker.http.forms import parameters
from worker.http.page_access import Pages, identity_named, page_endpoints
from worker.http.page_answers import no_such_page, page_answer, redirect
from worker.http.services import Services
from worker.operations.left_out import count_identity_again, leave_out_shown, left_out
from worker.pages import links
from worker.statistics import Subject, find_listener

_SUBJECTS: Final = (Subject.SONG, Subject.ARTIST)
_Change = Callable[[Engine, int, str, UUID], bool]


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/u/USER/left-out` and what lies below."""
    pages = _LeftOut(services)
    found = {
        ("GET", "/u/{user}/left-out"): pages.show,
        ("POST", "/u/{user}/left-out/add"): pages.add,
        ("POST", "/u/{user}/left-out/remove"): pages.remove,
    }
    return page_endpoints(services, found)


class _LeftOut:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pages = Pages(services)

    async def show(self, request: Request) -> Answer:
        frame, names = await self._pages.open(request, lambda of, _: left_out(of.connection, of.user_id))
        if not frame.may_change:
            raise no_such_page()
        return page_answer("left_out", frame, names=names)

    async def add(self, request: Request) -> Answer:
        return await self._change(request, leave_out_shown)

    async def remove(self, request: Request) -> Answer:
        return await self._change(request, count_identity_again)

    async def _change(self, request: Request, change: _Change) -> Answer:
        sent = parameters(request, await read_body(request))
        user = await self._pages.user_to_change(request, sent)
        subject = next((each for each in _SUBJECTS if each in sent), None)
        if subject is None:
            raise no_such_page()
        await self._services.in_database(_changed, user, change, subject, identity_named(sent[subject]))
        await self._services.announce_changed(user)
        return redirect(f"{links.home(user)}{links.left_out()}")


def _changed(engine: Engine, user: str, change: _Change, subject: str, identity: UUID) -> None:
    with snapshot(engine) as session:
        user_id = find_listener(session.connection(), user).id
    change(engine, user_id, subject, identity)
