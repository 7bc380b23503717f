"""Read for a page: the listener of its address, if the visitor may see their pages."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from sqlalchemy import Engine
from starlette.requests import Request

from worker.contract.identity import typed_user
from worker.database.engine import snapshot
from worker.errors import UnknownUserError
from worker.http.page_answers import here
from worker.http.services import Services
from worker.http.sessions import Sessions, Visit
from worker.pages import links
from worker.pages.rendering import Frame
from worker.statistics import Listener, ListenRule, UserListening, find_listener, is_public

Result = TypeVar("Result")


class Shown(NamedTuple, Generic[Result]):
    """What a page shows, and what surrounds it."""

    content: Result
    frame: Frame


class Pages:
    """The pages of listeners, for whoever may see them: themselves, an administrator, or everyone if they like."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rule = ListenRule.configured(services.settings)
        self.sessions = Sessions(services)

    async def show(self, request: Request, question: Callable[[UserListening, Listener], Result]) -> Shown[Result]:
        """Answer a question about the listener of the path, in a thread, from one snapshot.

        Raises:
            UnknownUserError: there is no such listener, or the visitor may not see their pages.
        """
        user = typed_user(links.user_of(request.path_params["user"]))
        visit = await self.sessions.visit(request)
        call = _asked if visit.may_look(user) else _asked_in_public
        content = await self._services.in_database(call, user, self._rule, question)
        return Shown(content, frame_of(request, visit, user))


def frame_of(request: Request, visit: Visit, user: str) -> Frame:
    return Frame(
        here=here(request),
        user=user,
        viewer=visit.token and visit.token.username,
        form=visit.form if visit.token else "",
        may_change=visit.may_change(user),
    )


def _asked(
    engine: Engine, user: str, rule: ListenRule, question: Callable[[UserListening, Listener], Result]
) -> Result:
    with snapshot(engine) as session:
        connection = session.connection()
        listener = find_listener(connection, user)
        return question(UserListening(connection, listener.id, rule), listener)


def _asked_in_public(
    engine: Engine, user: str, rule: ListenRule, question: Callable[[UserListening, Listener], Result]
) -> Result:
    def if_public(of: UserListening, listener: Listener) -> Result:
        if not is_public(of.connection, of.user_id):
            raise UnknownUserError(user)
        return question(of, listener)

    return _asked(engine, user, rule, if_public)
