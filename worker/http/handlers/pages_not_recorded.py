"""Serve a listener what was not recorded of theirs, and why."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.database.engine import snapshot
from worker.http.endpoint import Answer
from worker.http.page_access import own_frame, page_endpoints
from worker.http.page_answers import no_such_page, page_answer
from worker.http.services import Services
from worker.http.sessions import Sessions
from worker.operations import dead_letters
from worker.pages.desk import shown_letter
from worker.privacy.attribution import is_about
from worker.statistics import find_listener

# Each letter is read to know whom it is about.
LOOKED_AT: Final = 2_000
_MOST: Final = 100


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/not-recorded`."""
    page = partial(_page, services, Sessions(services))
    return page_endpoints(services, {("GET", "/not-recorded"): page})


async def _page(services: Services, sessions: Sessions, request: Request) -> Answer:
    visit = await sessions.visit(request)
    if visit.token is None or not visit.may_look(visit.token.username):
        raise no_such_page()
    user = visit.token.username
    letters = await services.in_database(_letters_of, user)
    return page_answer("not_recorded", own_frame(request, visit), looked_at=LOOKED_AT, **letters)


def _letters_of(engine: Engine, user: str) -> dict[str, Any]:
    """The newest letters about the user. Several people's events in one payload stay with the operator."""
    newest = dead_letters.latest(engine, most=LOOKED_AT)
    shown = [shown_letter(letter) for letter in newest if is_about(letter.payload, user)]
    with snapshot(engine) as session:
        timezone = find_listener(session.connection(), user).timezone
    letters = [letter for letter in shown if letter.user == user][:_MOST]
    return {"letters": letters, "timezone": timezone, "is_cut": len(newest) == LOOKED_AT}
