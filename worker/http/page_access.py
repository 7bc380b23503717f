"""Read for a page: the listener of its address, if the visitor may see their pages; and say who visits it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.contract.events import EARLIEST_TIME
from worker.contract.identity import typed_user
from worker.database.engine import snapshot
from worker.errors import UnknownUserError, ZikError
from worker.http.endpoint import Answer, Handler, endpoints
from worker.http.page_answers import here, no_such_page, refuse
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.http.sessions import Sessions, Visit
from worker.operations.tokens import Token
from worker.pages import links
from worker.pages.rendering import Frame
from worker.statistics import Listener, ListenRule, UserListening, find_listener, is_public

# Before the first event that the contract takes, and so far from the calendar's end that periods have a next one.
_FIRST_DAY: Final = EARLIEST_TIME.date() - timedelta(days=1)
_LAST_DAY: Final = date(9000, 1, 1)
_VISIT: Final = "zik.visit"
_HEX: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")

Result = TypeVar("Result")
Question = Callable[[UserListening, Listener], Result]


def page_endpoints(services: Services, handlers: Mapping[tuple[str, str], Handler]) -> Sequence[BaseRoute]:
    """A route for each method and path of pages. What is refused keeps the menu of who is signed in."""
    sessions = Sessions(services)

    def with_menu(handle: Handler) -> Handler:
        async def handled(request: Request) -> Answer:
            try:
                return await handle(request)
            except (RequestRefusedError, ZikError):
                with suppress(ZikError):
                    request.scope[_VISIT] = await sessions.visit(request)
                raise

        return handled

    found = {route: with_menu(handle) for route, handle in handlers.items()}
    return endpoints(found, refuse=_refuse_with_menu, gate=services.gate)


def _refuse_with_menu(refusal: RequestRefusedError, request: Request) -> Answer:
    visit: Visit | None = request.scope.get(_VISIT)
    if visit is None or visit.token is None:
        # Signing in leads back to a page, and not to what a form was sent to.
        return refuse(refusal, Frame(here=here(request) if request.method == "GET" else ""))
    return refuse(refusal, own_frame(request, visit))


def own_frame(request: Request, visit: Visit) -> Frame:
    """The frame of a page that is the visitor's own, whatever its address; of nobody's page unless signed in."""
    if visit.token is None:
        return Frame(here=here(request))
    user = visit.token.username
    return Frame(
        here=here(request),
        user=user,
        viewer=user,
        form=visit.form,
        may_look=visit.may_look(user),
        may_change=visit.may_change(user),
        is_operator=visit.is_operator,
    )


async def own_visit(sessions: Sessions, request: Request) -> tuple[Visit, Token]:
    """Who is signed in and may change what is theirs.

    Raises:
        RequestRefusedError: 404 for nobody, 403 for a token that may only read.
        StreamUnavailableError: the session cannot be looked up.
    """
    visit = await sessions.visit(request)
    if visit.token is None:
        raise no_such_page()
    if not visit.may_change(visit.token.username):
        raise RequestRefusedError(403, "this token may only read: sign in with one that has the scope submit")
    return visit, visit.token


class Pages:
    """The pages of listeners, for whoever may see them: themselves, an administrator, or everyone if they like."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rule = ListenRule.configured(services.settings)
        self._sessions = Sessions(services)

    async def frame(self, request: Request) -> Frame:
        """Who looks at whose page. Raises `StreamUnavailableError` where a session cannot be looked up."""
        user = _user(request)
        visit = await self._sessions.visit(request)
        return Frame(
            here=here(request),
            user=user,
            viewer=visit.token and visit.token.username,
            form=visit.form if visit.token else "",
            may_look=visit.may_look(user),
            may_change=visit.may_change(user),
            is_operator=visit.is_operator,
        )

    async def open(self, request: Request, question: Question[Result]) -> tuple[Frame, Result]:
        """Who looks at whose page, and the answer to its question. Raises as `frame` and `ask` do."""
        frame = await self.frame(request)

        def answer(of: UserListening, listener: Listener) -> tuple[Frame, Result]:
            misnamed = listener.misnamed_timezone if frame.may_look else None
            shown = None if misnamed is None else json.dumps(misnamed, ensure_ascii=False)
            return replace(frame, misnamed_timezone=shown), question(of, listener)

        return await self.ask(frame, answer)

    async def ask(self, frame: Frame, question: Question[Result]) -> Result:
        """Answer a question about the listener of a page, in a thread, from one snapshot.

        Raises:
            UnknownUserError: there is no such listener, or the visitor may not see their pages.
        """
        call = _answered if frame.may_look else _answered_in_public
        return await self._services.in_database(call, frame.user or "", self._rule, question)

    async def user_to_change(self, request: Request, sent: Mapping[str, str]) -> str:
        """The listener of a form that was sent. Raises 403 for a form of another site, 404 for another's plays."""
        user = _user(request)
        visit = await self._sessions.visit(request)
        visit.check(sent)
        if not visit.may_change(user):
            raise no_such_page()
        return user


def _user(request: Request) -> str:
    return typed_user(links.user_of(request.path_params["user"]))


def _answered(engine: Engine, user: str, rule: ListenRule, question: Question[Result]) -> Result:
    with snapshot(engine) as session:
        connection = session.connection()
        listener = find_listener(connection, user)
        return question(UserListening(connection, listener.id, rule), listener)


def _answered_in_public(engine: Engine, user: str, rule: ListenRule, question: Question[Result]) -> Result:
    def if_public(of: UserListening, listener: Listener) -> Result:
        if not is_public(of.connection, of.user_id):
            raise UnknownUserError(user)
        return question(of, listener)

    return _answered(engine, user, rule, if_public)


def day_named(text: str) -> date:
    """The day that a path or query names. Raises 404 for another text, and for days before anyone listened."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise no_such_page() from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise no_such_page()
    return day


def identity_named(text: str) -> UUID:
    """The id of a play, or the identity of a song, artist or album. Raises 404 for another text."""
    if not _HEX.fullmatch(text):
        raise no_such_page()
    return UUID(text)
