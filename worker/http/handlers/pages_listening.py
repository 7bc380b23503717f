"""Serve the pages of a listener that show what was heard."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.errors import ZikError
from worker.http.endpoint import Answer
from worker.http.page_access import Pages, day_named, identity_named, page_endpoints
from worker.http.page_answers import no_such_page, page_answer, redirect, with_etag
from worker.http.services import Services
from worker.operations.left_out import why_left_out
from worker.operations.now_playing import NowPlaying, read_now_playing
from worker.pages import links
from worker.pages.plays import latest_plays
from worker.pages.profile import profile
from worker.pages.subject import subject_page
from worker.pages.tops import AskedTop, tops
from worker.statistics import Found, Listener, Period, Subject, UserListening, search

_FOUND: Final = 20
_CHARTS: Final = {f"{subject}s": subject for subject in Subject}


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/u/USER` and what lies below, without its days and years."""
    listening = _Listening(services)
    found = {
        ("GET", "/u/{user}"): listening.profile,
        ("GET", "/u/{user}/live"): listening.live,
        ("GET", "/u/{user}/search"): listening.search,
        ("GET", "/u/{user}/top/{chart}"): listening.top,
        ("GET", "/u/{user}/{subject}/{identity}"): listening.subject,
        ("GET", "/u/{user}/{rest:path}"): listening.nothing,
    }
    return page_endpoints(services, found)


class _Listening:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pages = Pages(services)

    async def profile(self, request: Request) -> Answer:
        frame, content = await self._pages.open(request, partial(profile, now=self._services.now()))
        playing = await self._playing(frame.user or "")
        return page_answer("profile", frame, profile=content, plays=content.plays, playing=playing)

    async def live(self, request: Request) -> Answer:
        """The part of the profile that changes with each play, to be put in its place."""
        frame, plays = await self._pages.open(request, lambda of, _: latest_plays(of))
        playing = await self._playing(frame.user or "")
        return with_etag(request, page_answer("live", frame, plays=plays, playing=playing))

    async def top(self, request: Request) -> Answer:
        subject = _CHARTS.get(request.path_params["chart"])
        asked = request.query_params
        period = asked.get("period") or Period.MONTH
        if subject is None or period not in set(Period):
            raise no_such_page()
        at = day_named(asked["at"]) if asked.get("at") else None
        question = partial(tops, asked=AskedTop(subject, Period(period), at), now=self._services.now())
        frame, content = await self._pages.open(request, question)
        return page_answer("top", frame, top=content, at=at)

    async def subject(self, request: Request) -> Answer:
        named = request.path_params["subject"]
        if named not in set(Subject):
            raise no_such_page()
        identity = identity_named(request.path_params["identity"])
        frame, content = await self._pages.open(request, lambda of, _: subject_page(of, Subject(named), identity))
        if content is not None:
            return page_answer("subject", frame, page=content)
        if frame.may_change and await self._pages.ask(frame, partial(_is_left_out, subject=named, identity=identity)):
            return redirect(f"{links.home(frame.user or '')}{links.left_out()}")
        raise no_such_page()

    async def search(self, request: Request) -> Answer:
        text = request.query_params.get("q", "")

        def question(of: UserListening, _: Listener) -> Found | None:
            return search(of, text, most=_FOUND + 1) if text.strip() else None

        frame, found = await self._pages.open(request, question)
        return page_answer("search", frame, text=text, found=found, most=_FOUND)

    async def nothing(self, request: Request) -> Answer:
        del request
        raise no_such_page()

    async def _playing(self, user: str) -> NowPlaying | None:
        # Without Redis the rest of the page is still there.
        with suppress(ZikError):
            return read_now_playing(await self._services.stream.now_playing(user))
        return None


def _is_left_out(of: UserListening, _: Listener, *, subject: str, identity: UUID) -> bool:
    return why_left_out(of.connection, of.user_id, subject, identity) is not None
