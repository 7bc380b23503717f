"""Serve a listener what was not recorded of theirs, and why."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.endpoint import Answer, endpoints
from worker.http.page_answers import here, no_such_page, page_answer, refuse
from worker.http.services import Services
from worker.http.sessions import Sessions
from worker.operations import dead_letters
from worker.pages.desk import ShownLetter, shown_letter
from worker.pages.rendering import Frame
from worker.privacy.attribution import is_about

# Each letter is read to know whom it is about.
LOOKED_AT: Final = 2_000
_MOST: Final = 100


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/not-recorded`."""
    page = partial(_page, services, Sessions(services))
    return endpoints({("GET", "/not-recorded"): page}, refuse=refuse, gate=services.gate)


async def _page(services: Services, sessions: Sessions, request: Request) -> Answer:
    visit = await sessions.visit(request)
    if visit.token is None or not visit.may_look(visit.token.username):
        raise no_such_page()
    user = visit.token.username
    letters = await services.in_database(_letters_of, user)
    frame = Frame(here=here(request), user=user, viewer=user, form=visit.form, may_look=True)
    return page_answer("not_recorded", frame, letters=letters, looked_at=LOOKED_AT)


def _letters_of(engine: Engine, user: str) -> list[ShownLetter]:
    """The newest letters about the user. Several people's events in one payload stay with the operator."""
    newest = dead_letters.latest(engine, most=LOOKED_AT)
    shown = [shown_letter(letter) for letter in newest if is_about(letter.payload, user)]
    return [letter for letter in shown if letter.user == user][:_MOST]
