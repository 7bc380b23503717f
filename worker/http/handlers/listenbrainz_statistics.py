"""Serve ListenBrainz' statistics of a user: rankings, and when in time and in the week they listen."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from worker.http.endpoint import Answer, Endpoint, json_answer
from worker.http.handlers.listenbrainz import refuse
from worker.http.reading import MOST_ROWS, Reader, number
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.protocols import listenbrainz_reading as shapes
from worker.statistics import Period, Place, Span, Subject, days, rank, week_hours

_USUAL: Final = 25
_SUBJECTS: Final = {"artists": Subject.ARTIST, "releases": Subject.ALBUM, "recordings": Subject.SONG}


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/1/stats/user/U/…`."""
    reader = Reader(services)

    async def ranking(request: Request) -> Answer:
        user = await reader.user(request)
        kind = request.path_params["subject"]
        if kind not in _SUBJECTS:
            raise RequestRefusedError(404, f"there are statistics of {', '.join(_SUBJECTS)}")
        count, offset = number(request, "count", _USUAL, most=MOST_ROWS), number(request, "offset", 0)
        name, ends = await span_of(request, user)
        places = await reader.ask(user, lambda of: rank(of, _SUBJECTS[kind], _span(ends), most=MOST_ROWS))
        rows = [_place(kind, place) for place in places[offset : offset + count]]
        totals = {"count": len(rows), "offset": offset, f"total_{kind.removesuffix('s')}_count": len(places)}
        return answer(user, name, ends, {kind: rows, **totals})

    async def listening_activity(request: Request) -> Answer:
        user = await reader.user(request)
        name, ends = await span_of(request, user)
        found = await reader.ask(user, lambda of: days(of, *ends))
        rows = shapes.activity({each.day: each.listens for each in found}, ends)
        return answer(user, name, ends, {"listening_activity": rows})

    async def daily_activity(request: Request) -> Answer:
        user = await reader.user(request)
        name, ends = await span_of(request, user)
        found = await reader.ask(user, lambda of: week_hours(of, _span(ends)))
        rows = shapes.daily_activity({(each.weekday, each.hour): each.listens for each in found})
        return answer(user, name, ends, {"daily_activity": rows})

    async def span_of(request: Request, user: str) -> tuple[str, tuple[date, date]]:
        name = request.query_params.get("range") or "all_time"
        ends = shapes.span(name, await reader.today(user))
        if ends is None:
            raise RequestRefusedError(400, "range: must be one of ListenBrainz', such as this_week, year or all_time")
        return name, ends

    def answer(user: str, name: str, ends: tuple[date, date], content: Mapping[str, Any]) -> Answer:
        return json_answer(200, shapes.statistics(user, name, ends, services.now(), content))

    found = {
        "/1/stats/user/{user}/listening-activity": listening_activity,
        "/1/stats/user/{user}/daily-activity": daily_activity,
        "/1/stats/user/{user}/{subject}": ranking,
    }
    return [
        Route(path, Endpoint(path, handle, refuse=refuse, gate=services.gate), methods=["GET"])
        for path, handle in found.items()
    ]


def _span(ends: tuple[date, date]) -> Span:
    return Span(Period.ALL, *ends)


def _place(kind: str, place: Place) -> Mapping[str, Any]:
    names = {"artist_name": place.artist}
    if kind == "releases":
        names["release_name"] = place.title or ""
    if kind == "recordings":
        names["track_name"] = place.title or ""
    return {**names, "listen_count": place.listens}
