"""Serve the operator's page to tokens with the scope admin: the books, the drains, the dead-letter desk, the tokens."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.books import Outcome
from worker.errors import (
    DatabaseMisusedError,
    InvalidEventError,
    TokenNameTakenError,
    TokenRefusedError,
    UnknownTokenError,
    UnknownUserError,
    ZikError,
)
from worker.http.body import read_body
from worker.http.endpoint import Answer
from worker.http.forms import parameters
from worker.http.page_access import page_endpoints
from worker.http.page_answers import EVENT_HEADERS, here, no_such_page, page_answer, with_etag
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.http.sessions import Sessions, Visit
from worker.operations import dead_letters, tokens
from worker.operations.dead_letters import Desk
from worker.operations.tokens import Scope
from worker.pages.desk import by_client, shown_letter
from worker.pages.rendering import Frame

_ON_A_PAGE: Final = 50
# Of how many letters the clients are counted: each of them is read.
_CLIENTS_OF: Final = 500
_MOST_AT_ONCE: Final = 500
_MOST_DIGITS: Final = 18
_LACKS_A_RIGHT: Final = "(42501)"
_MAY_NOT: Final = (
    "the database role of this server may not do this: use `zik dead` or `zik token`, or let it, with "
    "GRANT zik_worker TO zik_door (docs/pages.md)"
)

Given = ParamSpec("Given")
Result = TypeVar("Result")


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/ops` and `/ops/…`."""
    desk = _Desk(services)
    found = {
        ("GET", "/ops"): desk.overview,
        ("GET", "/ops/live"): desk.live,
        ("GET", "/ops/events"): desk.events,
        ("GET", "/ops/letters"): desk.letters,
        ("GET", "/ops/letters/{id}"): desk.letter,
        ("POST", "/ops/letters/retry"): desk.retry,
        ("POST", "/ops/letters/discard"): desk.discard,
        ("POST", "/ops/tokens"): desk.create_token,
        ("POST", "/ops/tokens/revoke"): desk.revoke_token,
    }
    return page_endpoints(services, found)


class _Desk:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._sessions = Sessions(services)

    # --- The books -----------------------------------------------------------------------------

    async def overview(self, request: Request) -> Answer:
        frame = _frame(request, await self._visit(request))
        reasons = await self._in_database(dead_letters.count_by_reason)
        newest = await self._in_database(dead_letters.latest, most=_CLIENTS_OF)
        clients = by_client(shown_letter(letter) for letter in newest)
        listed = await self._in_database(tokens.listed)
        return page_answer(
            "ops",
            frame,
            reasons=reasons,
            clients=clients,
            counted=len(newest),
            tokens=listed,
            scopes=list(Scope),
            **await self._books(),
        )

    async def live(self, request: Request) -> Answer:
        """The books and the drains, to be put in their place."""
        frame = _frame(request, await self._visit(request))
        return with_etag(request, page_answer("ops_live", frame, **await self._books()))

    async def events(self, request: Request) -> Answer:
        """Server-sent events without data, as on a listener's page, of everyone's changes."""

        async def look() -> None:
            try:
                await self._visit(request)
            except RequestRefusedError as refusal:
                # Too many requests, for one, say nothing about a right.
                raise (UnknownUserError("") if refusal.status == no_such_page().status else refusal) from None

        reader = await self._services.live.open(None, look)
        return Answer(200, b"", "text/event-stream", EVENT_HEADERS, reader)

    async def _books(self) -> dict[str, Any]:
        inspector = self._services.inspector
        return {"books": await inspector.books(), "drains": await inspector.last_progress_s()}

    # --- Dead letters --------------------------------------------------------------------------

    async def letters(self, request: Request) -> Answer:
        """Newest first, of a reason, from a number downwards."""
        frame = _frame(request, await self._visit(request))
        reason, before = request.query_params.get("reason") or None, request.query_params.get("before")
        most = _ON_A_PAGE + 1
        number = _number(before) if before else None
        found = await self._in_database(dead_letters.latest, reason=reason, before=number, most=most)
        shown = [shown_letter(letter) for letter in found[:_ON_A_PAGE]]
        return page_answer("ops_letters", frame, letters=shown, reason=reason, has_more=len(found) == most)

    async def letter(self, request: Request) -> Answer:
        frame = _frame(request, await self._visit(request))
        found = await self._in_database(dead_letters.get, _number(request.path_params["id"]))
        if found is None:
            raise no_such_page()
        return page_answer("ops_letter", frame, letter=shown_letter(found))

    async def retry(self, request: Request) -> Answer:
        frame, sent = await self._sent(request)
        chosen = await self._chosen(sent)
        create_users = self._services.settings.unknown_users == "create"
        books = _Amending(self._services, asyncio.get_running_loop())
        outcomes = await self._in_database(_retried, chosen, books, now=self._services.now(), create_users=create_users)
        said = ", ".join(f"{outcomes[outcome]:,} {_SAID[outcome]}" for outcome in Outcome)
        return page_answer("ops_done", frame, title="Tried again", message=said)

    async def discard(self, request: Request) -> Answer:
        frame, sent = await self._sent(request)
        count = await self._in_database(dead_letters.discard, await self._chosen(sent))
        return page_answer("ops_done", frame, title="Discarded", message=f"{count:,} deleted for good")

    async def _chosen(self, sent: Mapping[str, str]) -> Sequence[int]:
        """One letter, or the oldest of a reason."""
        if sent.get("id"):
            return [_number(sent["id"])]
        if not sent.get("reason"):
            raise RequestRefusedError(400, "choose a letter or a reason")
        return (await self._in_database(dead_letters.numbers, reason=sent["reason"]))[:_MOST_AT_ONCE]

    # --- Tokens --------------------------------------------------------------------------------

    async def create_token(self, request: Request) -> Answer:
        frame, sent = await self._sent(request)
        scopes = [scope for scope in Scope if sent.get(scope.value)]
        user, name = sent.get("user", "").strip(), sent.get("name", "")
        if not scopes:
            raise RequestRefusedError(400, "choose what the token may do")
        try:
            text = await self._in_database(tokens.create, user, name=name, scopes=scopes)
        except (InvalidEventError, TokenNameTakenError, TokenRefusedError) as error:
            raise RequestRefusedError(400, str(error)) from None
        unkept = {"cache-control": "no-store"}
        return page_answer("ops_token", frame, headers=unkept, token=text, user=user, name=name.strip())

    async def revoke_token(self, request: Request) -> Answer:
        frame, sent = await self._sent(request)
        try:
            digests = await self._in_database(tokens.revoke, [_number(sent.get("id", ""))])
        except UnknownTokenError:
            raise no_such_page() from None
        said = "It opens nothing any more."
        try:
            await self._services.stream.announce_revoked(digests)
        except ZikError:
            said = "Redis could not pass it on: other servers may accept it for another minute."
        return page_answer("ops_done", frame, title="Revoked", message=said)

    # --- Who may, and what was sent ------------------------------------------------------------

    async def _visit(self, request: Request) -> Visit:
        """Raises 404, as for a page that is not there, for everyone but an administrator."""
        visit = await self._sessions.visit(request)
        if not visit.is_operator:
            raise no_such_page()
        return visit

    async def _sent(self, request: Request) -> tuple[Frame, dict[str, str]]:
        visit = await self._visit(request)
        sent = parameters(request, await read_body(request))
        visit.check(sent)
        return _frame(request, visit), sent

    async def _in_database(
        self, call: Callable[Concatenate[Engine, Given], Result], *args: Given.args, **options: Given.kwargs
    ) -> Result:
        """Call it in a thread. Raises 403 with the way out where the database role lacks a right."""
        try:
            return await self._services.in_database(call, *args, **options)
        except DatabaseMisusedError as error:
            if _LACKS_A_RIGHT not in str(error):
                raise
            raise RequestRefusedError(403, _MAY_NOT) from None


_SAID: Final = {
    Outcome.RECORDED: "recorded",
    Outcome.DUPLICATE: "there already",
    Outcome.DEAD: "still refused",
}


class _Amending:
    """The books, as the desk amends them from a thread."""

    def __init__(self, services: Services, loop: asyncio.AbstractEventLoop) -> None:
        self._inspector = services.inspector
        self._loop = loop

    def amend(self, count: int, *, source: Outcome, target: Outcome) -> None:
        amending = self._inspector.amend(count, source=source, target=target)
        asyncio.run_coroutine_threadsafe(amending, self._loop).result()


def _retried(
    engine: Engine, letter_ids: Sequence[int], books: _Amending, *, now: datetime, create_users: bool
) -> Counter[Outcome]:
    return Desk(engine, books, create_users=create_users).retry(letter_ids, now=now)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise no_such_page()
    return int(text)


def _frame(request: Request, visit: Visit) -> Frame:
    return Frame(here=here(request), viewer=visit.token and visit.token.username, form=visit.form, is_operator=True)
