"""Serve ListenBrainz' statistics of a user: rankings, and when in time and in the week they listen."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.http.endpoint import Answer, endpoints, json_answer, refuse_in_json
from worker.http.reading import MOST_ROWS, Reader, number
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.protocols import listenbrainz_ranges as ranges
from worker.protocols import listenbrainz_reading as shapes
from worker.protocols.listenbrainz_ranges import Days
from worker.protocols.listenbrainz_reading import Count, Entity, Range
from worker.statistics import Listener, Period, Place, Span, Subject, days, rank, week_hours

_USUAL: Final = 25
_SUBJECTS: Final[dict[Entity, Subject]] = {
    "artists": Subject.ARTIST,
    "releases": Subject.ALBUM,
    "recordings": Subject.SONG,
}


class _Asked(NamedTuple):
    """What a request asks for: the user's local days, and the range as the answer names it."""

    user: str
    days: Days
    of: Range


def routes(services: Services) -> Sequence[BaseRoute]:
    """`/1/stats/user/U/…`."""
    statistics = _Statistics(services)
    found = {
        ("GET", "/1/stats/user/{user}/listening-activity"): statistics.listening_activity,
        ("GET", "/1/stats/user/{user}/daily-activity"): statistics.daily_activity,
        ("GET", "/1/stats/user/{user}/{entity}"): statistics.ranking,
    }
    return endpoints(found, refuse=refuse_in_json, gate=services.gate)


class _Statistics:
    def __init__(self, services: Services) -> None:
        self._now = services.now
        self._reader = Reader(services)

    async def ranking(self, request: Request) -> Answer:
        asked = await self._asked(request)
        entity = request.path_params["entity"]
        if entity not in _SUBJECTS:
            raise RequestRefusedError(404, f"there are statistics of {', '.join(_SUBJECTS)}")
        most, offset = number(request, "count", _USUAL, most=MOST_ROWS), number(request, "offset", 0)
        subject, span = _SUBJECTS[entity], Span(Period.ALL, *asked.days)
        places = await self._reader.ask(asked.user, lambda of: rank(of, subject, span, most=MOST_ROWS))
        counts = [_count(subject, place) for place in places[offset : offset + most]]
        return json_answer(200, shapes.top(entity, asked.user, counts, of=asked.of, total=len(places), offset=offset))

    async def listening_activity(self, request: Request) -> Answer:
        asked = await self._asked(request)
        found = await self._reader.ask(asked.user, lambda of: days(of, *asked.days))
        ends = asked.days
        if asked.of.name == "all_time":
            today = asked.of.end.date()
            ends = Days(found[0].day, found[-1].day) if found else Days(today, today)
        spans = [
            (name, *_ends(part), sum(each.listens for each in found if part.first <= each.day <= part.last))
            for name, part in ranges.parts(ends)
        ]
        return json_answer(200, shapes.listening_activity(asked.user, spans, of=asked.of))

    async def daily_activity(self, request: Request) -> Answer:
        asked = await self._asked(request)
        found = await self._reader.ask(asked.user, lambda of: week_hours(of, Span(Period.ALL, *asked.days)))
        listens = {(each.weekday - 1, each.hour): each.listens for each in found}
        return json_answer(200, shapes.daily_activity(asked.user, listens, of=asked.of))

    async def _asked(self, request: Request) -> _Asked:
        user = await self._reader.user(request)
        name, now = request.query_params.get("range") or "all_time", self._now()
        listener = await self._reader.listener(user)
        found = ranges.days_of(name, listener.today(now))
        if found is None:
            raise RequestRefusedError(400, "range: must be one of ListenBrainz', such as this_week, year or all_time")
        return _Asked(user, found, _range(name, found, listener, now))


def _range(name: str, found: Days, listener: Listener, now: datetime) -> Range:
    if name == "all_time":
        return Range(name, datetime.fromtimestamp(0, UTC), now, now)
    start, end = (at.replace(tzinfo=listener.timezone) for at in _ends(found))
    return Range(name, start, min(end, now), now)


def _ends(days: Days) -> tuple[datetime, datetime]:
    """The first and the last second of some days, in UTC: clients format them without a timezone."""
    start = datetime.combine(days.first, time.min, UTC)
    return start, datetime.combine(days.last, time.min, UTC) + timedelta(days=1, seconds=-1)


def _count(subject: Subject, place: Place) -> Count:
    if subject is Subject.ALBUM:
        return Count(place.listens, place.artist, album=place.title)
    return Count(place.listens, place.artist, title=place.title)
