"""Serve the days of a listener, and delete and bring back plays there."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.database.engine import snapshot
from worker.http.body import read_body
from worker.http.endpoint import Answer
from worker.http.forms import parameters
from worker.http.page_access import Pages, day_named, identity_named, page_endpoints
from worker.http.page_answers import page_answer, redirect
from worker.http.reading import number
from worker.http.services import Services
from worker.operations import corrections
from worker.operations.corrections import Choice
from worker.pages import links
from worker.pages.day import AskedDay, day_of_listening
from worker.report.wording import WEEKDAYS
from worker.statistics import find_listener


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/u/USER/day/…`."""
    days = _Days(services)
    found = {
        ("GET", "/u/{user}/day/{day}"): days.day,
        ("POST", "/u/{user}/day/{day}/delete"): days.delete,
        ("POST", "/u/{user}/day/{day}/restore"): days.restore,
    }
    return page_endpoints(services, found)


class _Days:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pages = Pages(services)

    async def day(self, request: Request) -> Answer:
        day, part = day_named(request.path_params["day"]), max(1, number(request, "page", 1))
        may_change = (await self._pages.frame(request)).may_change
        asked = AskedDay(day, part, with_deleted=may_change)
        question = partial(day_of_listening, asked=asked, now=self._services.now())
        frame, content = await self._pages.open(request, question)
        return page_answer("day", frame, day=content, weekday=WEEKDAYS[day.weekday()])

    async def delete(self, request: Request) -> Answer:
        return await self._change(request, _delete)

    async def restore(self, request: Request) -> Answer:
        return await self._change(request, _restore)

    async def _change(self, request: Request, change: Callable[[Engine, str, UUID], None]) -> Answer:
        day = day_named(request.path_params["day"])
        part = number(request, "page", 1)
        sent = parameters(request, await read_body(request))
        user = await self._pages.user_to_change(request, sent)
        await self._services.in_database(change, user, identity_named(sent.get("play", "")))
        await self._services.announce_changed(user)
        return redirect(f"{links.home(user)}{links.day(day, part)}")


def _delete(engine: Engine, user: str, play_id: UUID) -> None:
    corrections.delete(engine, _id_of(engine, user), [play_id])


def _restore(engine: Engine, user: str, play_id: UUID) -> None:
    """Bring a deleted play back. One that was edited stays as it is: nothing here shows what it would become."""
    user_id = _id_of(engine, user)
    with snapshot(engine) as session:
        is_deleted = corrections.find(session.connection(), user_id, Choice(ids=[play_id]), deleted=True)
    if is_deleted:
        corrections.restore(engine, user_id, [play_id])


def _id_of(engine: Engine, user: str) -> int:
    with snapshot(engine) as session:
        return find_listener(session.connection(), user).id
