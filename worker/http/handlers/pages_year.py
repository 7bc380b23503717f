"""Serve the year of a listener as a report, and as a card to share."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.errors import ZikError
from worker.http.endpoint import Answer
from worker.http.page_access import Pages, page_endpoints
from worker.http.page_answers import HTML, no_such_page, page_answer
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.pages import links
from worker.pages.rendering import Frame, render
from worker.report.card import as_png, can_draw_png, card
from worker.report.kept import KeptYears
from worker.report.page import page
from worker.report.year import Year
from worker.statistics import Listener, UserListening

_PRIVATE: Final = {"cache-control": "private, no-cache", "vary": "cookie", "x-content-type-options": "nosniff"}
# The report has a policy of its own, by the digest of its style.
_REPORT_HEADERS: Final = {**_PRIVATE, "content-security-policy": "frame-ancestors 'none'"}
# A browser that opens the drawing as a page runs nothing of it.
_CARD_HEADERS: Final = {**_PRIVATE, "content-security-policy": "default-src 'none'"}
# Browsers lay out an opened picture with styles of their own. A PNG has no markup that could carry one.
_PICTURE_HEADERS: Final = {
    **_PRIVATE,
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
}
# Some ten kilobytes each.
_PICTURES: Final = 32


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/u/USER/YEAR` and `/u/USER/YEAR/card.…`."""
    years = _Years(services)
    found = {
        ("GET", "/u/{user}/{year:int}"): years.report,
        ("GET", "/u/{user}/{year:int}/card.svg"): years.card_as_svg,
        ("GET", "/u/{user}/{year:int}/card.png"): years.card_as_png,
    }
    return page_endpoints(services, found)


class _Years:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._pages = Pages(services)
        self._drawing = asyncio.Lock()
        self._draw = lru_cache(maxsize=_PICTURES)(as_png)
        self._kept = KeptYears()

    async def report(self, request: Request) -> Answer:
        frame, year = await self._year(request)
        if year is None:
            return _nothing(frame, request.path_params["year"])
        around = render("_year", frame, year=year, home=links.home(frame.user or ""), has_png=can_draw_png())
        html = page(year, made_on=self._services.now().astimezone(UTC).date(), above=around.decode())
        return Answer(200, html.encode(), HTML, _REPORT_HEADERS)

    async def card_as_svg(self, request: Request) -> Answer:
        _, year = await self._year(request)
        if year is None:
            raise no_such_page()
        return Answer(200, card(year).encode(), "image/svg+xml", _CARD_HEADERS)

    async def card_as_png(self, request: Request) -> Answer:
        """One at a time, and each card once: drawing it takes a second, and everyone may ask for a public one."""
        _, year = await self._year(request)
        if year is None:
            raise no_such_page()
        try:
            async with self._drawing:
                png = await self._services.in_database(lambda _: self._draw(card(year)))
        except ZikError as error:
            raise RequestRefusedError(501, str(error)) from None
        return Answer(200, png, "image/png", _PICTURE_HEADERS)

    async def _year(self, request: Request) -> tuple[Frame, Year | None]:
        """None for a year without plays."""
        asked = request.path_params["year"]
        if not date.min.year < asked < date.max.year:
            raise no_such_page()
        return await self._pages.open(request, partial(self._year_of, year=asked, now=self._services.now()))

    def _year_of(self, of: UserListening, listener: Listener, *, year: int, now: datetime) -> Year | None:
        try:
            return self._kept.year_of(of, listener, year, today=listener.today(now))
        except ZikError:
            return None


def _nothing(frame: Frame, year: int) -> Answer:
    message = "Nothing was played in that year."
    return page_answer("message", frame, status=404, title=str(year), message=message, may_sign_in=False)
