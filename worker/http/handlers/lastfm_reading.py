"""Answer what Last.fm's clients ask about a user: recent and loved tracks, charts, counts."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request

from worker.contract.events import SongRef
from worker.http.origin import origin
from worker.http.reading import MOST_ROWS, Reader, instant
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.pages import links
from worker.protocols import lastfm_reading as shapes
from worker.protocols.lastfm_reading import Chart, Counted, Page, Totals
from worker.statistics import (
    Between,
    History,
    Opinion,
    Period,
    Place,
    RecentPlay,
    Span,
    Subject,
    UserListening,
    history,
    opinions,
    rank,
    recent_plays,
    totals,
)

Parameters = Mapping[str, str]
Body = dict[str, Any]
Method = Callable[[Request, str, Parameters], Awaitable[Body]]

_USUAL: Final = 50
_ALL_TIME: Final = Span(Period.ALL, date.min, date.max)
_SUBJECTS: Final[Mapping[Chart, Subject]] = {
    "artists": Subject.ARTIST,
    "albums": Subject.ALBUM,
    "tracks": Subject.SONG,
}
_PERIODS: Final = {"7day": 7, "1month": 30, "3month": 90, "6month": 180, "12month": 365}


class Reading:
    """The methods `user.*`, each for a user for whom the caller may read."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._reader = Reader(services)
        self.methods: Mapping[str, Method] = {
            "user.getinfo": self._info,
            "user.getrecenttracks": self._recent_tracks,
            "user.getlovedtracks": self._loved_tracks,
            "user.gettopartists": self._chart("artists"),
            "user.gettopalbums": self._chart("albums"),
            "user.gettoptracks": self._chart("tracks"),
        }

    async def _info(self, request: Request, user: str, sent: Parameters) -> Body:
        del sent

        def question(of: UserListening) -> tuple[Totals, datetime | None]:
            found, whole = totals(of, _ALL_TIME), history(of.connection, of.user_id)
            albums = len(rank(of, Subject.ALBUM, _ALL_TIME, most=MOST_ROWS))
            return Totals(found.listens, found.artists, albums, found.songs), whole.first_at

        found, first_at = await self._reader.ask(user, question)
        url = f"{origin(request)}{links.home(user)}"
        return shapes.user_info(user, url=url, totals=found, registered=first_at or self._services.now())

    async def _recent_tracks(self, request: Request, user: str, sent: Parameters) -> Body:
        del request
        number, size = _page(sent)
        # Last.fm's `from` is included, ours excluded.
        after, before = instant(sent, "from"), instant(sent, "to")
        between = Between(after and after - timedelta(microseconds=1), before)

        def question(of: UserListening) -> tuple[Sequence[RecentPlay], History, set[str]]:
            plays = recent_plays(of.connection, of.user_id, most=size, between=between, offset=(number - 1) * size)
            said = opinions(of.connection, of.user_id)
            loved = {identity for each in said if each.score > 0 for identity in each.identities}
            return plays, history(of.connection, of.user_id, between), loved

        plays, whole, loved = await self._reader.ask(user, question)
        is_extended = sent.get("extended") == "1"

        def shown(song: SongRef, at: datetime | None) -> Body:
            return shapes.played(song, at, is_loved=song.identity in loved if is_extended else None)

        tracks = [shown(play.song, play.played_at) for play in plays]
        stored = await self._services.stream.now_playing(user) if number == 1 else None
        if stored is not None:
            tracks.insert(0, shown(SongRef(**json.loads(stored)["song"]), None))
        return shapes.recent_tracks(user, tracks, Page(number, size, whole.plays))

    async def _loved_tracks(self, request: Request, user: str, sent: Parameters) -> Body:
        del request
        number, size = _page(sent)
        said: Sequence[Opinion] = await self._reader.ask(user, lambda of: opinions(of.connection, of.user_id))
        loved = [each for each in said if each.score > 0]
        rows = [shapes.loved_track(each.song, each.said_at) for each in loved[(number - 1) * size : number * size]]
        return shapes.loved_tracks(user, rows, Page(number, size, len(loved)))

    def _chart(self, chart: Chart) -> Method:
        async def answer(request: Request, user: str, sent: Parameters) -> Body:
            del request
            number, size = _page(sent)
            span = await self._span(user, sent.get("period") or "overall")
            places = await self._reader.ask(user, lambda of: rank(of, _SUBJECTS[chart], span, most=MOST_ROWS))
            rows = [_counted(chart, place) for place in places[(number - 1) * size : number * size]]
            return shapes.top(chart, user, rows, Page(number, size, len(places)))

        return answer

    async def _span(self, user: str, period: str) -> Span:
        if period == "overall":
            return _ALL_TIME
        if period not in _PERIODS:
            raise RequestRefusedError(400, f"period: must be overall, {', '.join(_PERIODS)}")
        today = (await self._reader.listener(user)).today(self._services.now())
        return Span(Period.ALL, today - timedelta(days=_PERIODS[period] - 1), today)


def _counted(chart: Chart, place: Place) -> Counted:
    if chart == "albums":
        return Counted(place.listens, place.artist, album=place.title)
    return Counted(place.listens, place.artist, title=place.title)


def _page(sent: Parameters) -> tuple[int, int]:
    """Which page, counted from 1, and how many entries each has."""
    number, size = (_number(sent, name, usual) for name, usual in (("page", 1), ("limit", _USUAL)))
    return max(1, number), max(1, min(size, MOST_ROWS))


def _number(sent: Parameters, name: str, usual: int) -> int:
    text = sent.get(name) or str(usual)
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 -- digits of a 32-bit integer
        raise RequestRefusedError(400, f"{name}: must be a number")
    return int(text)
