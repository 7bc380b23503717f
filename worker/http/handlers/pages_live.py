"""Serve the channel on which an open page hears that something has changed."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.contract.identity import typed_user
from worker.http.endpoint import Answer
from worker.http.page_access import Pages, page_endpoints
from worker.http.page_answers import EVENT_HEADERS
from worker.http.services import Services
from worker.pages import links


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/u/…/events`."""
    return page_endpoints(services, {("GET", "/u/{user}/events"): _Live(services).events})


class _Live:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pages = Pages(services)

    async def events(self, request: Request) -> Answer:
        """Server-sent events without data. Who may read is asked as for the page, now and while it is open."""
        user = typed_user(links.user_of(request.path_params["user"]))

        async def look() -> bytes | None:
            await self._pages.ask(await self._pages.frame(request), lambda *_: None)
            return await self._services.stream.now_playing(user)

        reader = await self._services.live.open(user, look)
        return Answer(200, b"", "text/event-stream", EVENT_HEADERS, reader)
