"""Read for a token's user: who may, what the parameters say, and the questions that handlers share."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from sqlalchemy import Engine
from starlette.requests import Request

from worker.contract.identity import typed_user
from worker.database.engine import snapshot
from worker.http.endpoint import bearer
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations.tokens import Scope, Token
from worker.statistics import Listener, ListenRule, UserListening, find_listener

Result = TypeVar("Result")

# ListenBrainz gives no more in one answer, and ranks no further.
MOST_ROWS: Final = 1_000
_MOST_DIGITS: Final = 10


class Reader:
    """Reads for one request's user. A token with the scope `admin` may read for any."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rule = ListenRule.configured(services.settings)

    async def token(self, request: Request) -> Token:
        """The request's token, which may read."""
        return await self._services.tokens.authenticate(bearer(request), scope=Scope.READ)

    async def user(self, request: Request) -> str:
        """The user of the path, if the request's token may read for them. Raises 401, 403 and 503."""
        token = await self.token(request)
        user = typed_user(request.path_params["user"])
        if user != token.username and Scope.ADMIN not in token.scopes:
            raise RequestRefusedError(403, "the token is another user's")
        return user

    async def ask(self, user: str, question: Callable[[UserListening], Result]) -> Result:
        """Answer a question about the user's listening, in a thread, from one snapshot."""
        return await self._services.in_database(_answered, user, self._rule, question)

    async def listener(self, user: str) -> Listener:
        """The user with their timezone."""
        return await self._services.in_database(_found, user)


def _answered(engine: Engine, user: str, rule: ListenRule, question: Callable[[UserListening], Result]) -> Result:
    with snapshot(engine) as session:
        connection = session.connection()
        return question(UserListening(connection, find_listener(connection, user).id, rule))


def _found(engine: Engine, user: str) -> Listener:
    with snapshot(engine) as session:
        return find_listener(session.connection(), user)


def number(request: Request, name: str, usual: int, *, most: int = 2**31) -> int:
    """A count or an offset. One above `most` is cut, as ListenBrainz does."""
    text = request.query_params.get(name) or str(usual)
    if not text.isascii() or not text.isdigit():
        raise RequestRefusedError(400, f"{name}: must be a number, 0 or more")
    return min(int(text[:_MOST_DIGITS]), most)


def instant(sent: Mapping[str, str], name: str) -> datetime | None:
    """A time in seconds since 1970; None if it is absent."""
    text = sent.get(name)
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text[: 2 * _MOST_DIGITS]), UTC)
    except (ValueError, OverflowError, OSError):
        raise RequestRefusedError(400, f"{name}: must be in seconds since 1970") from None
