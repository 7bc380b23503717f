"""Serve the pages of a listener."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.errors import ZikError
from worker.http.endpoint import Answer, endpoints
from worker.http.page_access import Pages
from worker.http.page_answers import no_such_page, page_answer, refuse, with_etag
from worker.http.services import Services
from worker.operations.now_playing import NowPlaying, read_now_playing
from worker.pages.plays import latest_plays
from worker.pages.profile import profile


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/u/…`."""
    listening = _Listening(services)
    found = {
        ("GET", "/u/{user}"): listening.profile,
        ("GET", "/u/{user}/live"): listening.live,
        ("GET", "/u/{user}/{rest:path}"): listening.nothing,
    }
    return endpoints(found, refuse=refuse, gate=services.gate)


class _Listening:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pages = Pages(services)

    async def profile(self, request: Request) -> Answer:
        shown = await self._pages.show(request, partial(profile, now=self._services.now()))
        playing = await self._playing(shown.frame.user or "")
        return with_etag(
            request,
            page_answer("profile", shown.frame, profile=shown.content, plays=shown.content.plays, playing=playing),
        )

    async def live(self, request: Request) -> Answer:
        """The part of the profile that changes with each play, to be put in its place."""
        shown = await self._pages.show(request, lambda of, _: latest_plays(of))
        playing = await self._playing(shown.frame.user or "")
        return with_etag(request, page_answer("live", shown.frame, plays=shown.content, playing=playing))

    async def nothing(self, request: Request) -> Answer:
        del request
        raise no_such_page()

    async def _playing(self, user: str) -> NowPlaying | None:
        # Without Redis the rest of the page is still there.
        with suppress(ZikError):
            return read_now_playing(await self._services.stream.now_playing(user))
        return None
