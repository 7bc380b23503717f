"""Serve what ListenBrainz' clients read of a user: listens, what plays now, feedback."""

import json
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from worker.contract.events import SongRef
from worker.contract.identity import song_identity
from worker.http.endpoint import Answer, endpoints, json_answer, refuse_in_json
from worker.http.reading import MOST_ROWS, Reader, instant, number
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations import feedback
from worker.protocols import listenbrainz_reading as shapes
from worker.statistics import Between, History, Opinion, RecentPlay, UserListening, history, opinions, recent_plays

_USUAL: Final = 25


def routes(services: Services) -> Sequence[BaseRoute]:
    """Everything that reads, without the statistics."""
    reading = _Reading(services)
    found = {
        ("GET", "/1/user/{user}/listens"): reading.listens,
        ("GET", "/1/user/{user}/listen-count"): reading.listen_count,
        ("GET", "/1/user/{user}/playing-now"): reading.playing_now,
        ("GET", "/1/user/{user}/following"): reading.following,
        ("GET", "/1/user/{user}/playlists"): reading.playlists,
        ("GET", "/1/user/{user}/playlists/createdfor"): reading.playlists,
        ("GET", "/1/feedback/user/{user}/get-feedback"): reading.feedback,
        ("GET", "/1/feedback/user/{user}/get-feedback-for-recordings"): reading.feedback_for_recordings,
        ("GET", "/1/metadata/lookup"): reading.lookup,
    }
    return endpoints(found, refuse=refuse_in_json, gate=services.gate)


class _Reading:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._reader = Reader(services)

    async def listens(self, request: Request) -> Answer:
        user = await self._reader.user(request)
        most = number(request, "count", _USUAL, most=MOST_ROWS)
        between = Between(*(instant(request.query_params, name) for name in ("min_ts", "max_ts")))

        def question(of: UserListening) -> tuple[Sequence[RecentPlay], History]:
            plays = recent_plays(of.connection, of.user_id, most=most, between=between)
            return plays, history(of.connection, of.user_id)

        plays, whole = await self._reader.ask(user, question)
        rows = [_listen(user, play) for play in plays]
        return json_answer(200, shapes.listens_page(user, rows, newest=whole.last_at, oldest=whole.first_at))

    async def listen_count(self, request: Request) -> Answer:
        user = await self._reader.user(request)
        whole = await self._reader.ask(user, lambda of: history(of.connection, of.user_id))
        return json_answer(200, shapes.listen_count(whole.plays))

    async def playing_now(self, request: Request) -> Answer:
        user = await self._reader.user(request)
        stored = await self._services.stream.now_playing(user)
        song, source = (None, None) if stored is None else _playing(stored)
        return json_answer(200, shapes.playing_now(user, song, source=source))

    async def following(self, request: Request) -> Answer:
        return json_answer(200, shapes.following(await self._reader.user(request)))

    async def playlists(self, request: Request) -> Answer:
        await self._reader.user(request)
        return json_answer(200, shapes.playlists(offset=number(request, "offset", 0), count=0))

    async def feedback(self, request: Request) -> Answer:
        user = await self._reader.user(request)
        score = request.query_params.get("score") or None
        if score not in {None, "1", "-1", "0"}:
            raise RequestRefusedError(400, "score: must be 1, 0 or -1")
        most, offset = number(request, "count", _USUAL, most=MOST_ROWS), number(request, "offset", 0)
        found = [each for each in await self._opinions(user) if score is None or each.score == int(score)]
        rows = [_opinion(user, each) for each in found[offset : offset + most]]
        return json_answer(200, shapes.feedback_page(rows, total=len(found), offset=offset))

    async def feedback_for_recordings(self, request: Request) -> Answer:
        user = await self._reader.user(request)
        found = await self._opinions(user)
        by_msid = {shapes.msid(identity): each for each in found for identity in each.identities}
        by_mbid = {mbid: each for each in found for mbid in each.mbids}
        rows = [
            # By the id that was asked for: the song may count as another one.
            _opinion(user, said) | {"recording_msid": wanted}
            if (said := by_msid.get(wanted))
            else shapes.no_feedback(user, msid=wanted)
            for wanted in _ids(request, "recording_msids")
        ]
        rows += [
            _opinion(user, said) | {"recording_mbid": wanted}
            if (said := by_mbid.get(wanted))
            else shapes.no_feedback(user, mbid=wanted)
            for wanted in _ids(request, "recording_mbids")
        ]
        return json_answer(200, {"feedback": rows})

    async def _opinions(self, user: str) -> Sequence[Opinion]:
        return await self._reader.ask(user, lambda of: opinions(of.connection, of.user_id))

    async def lookup(self, request: Request) -> Answer:
        await self._reader.token(request)
        artist, title = (request.query_params.get(name, "") for name in ("artist_name", "recording_name"))
        if not artist.strip() or not title.strip():
            raise RequestRefusedError(400, "artist_name and recording_name: both are required")
        reference = f"{feedback.MSID}{song_identity(artist, title)}"
        return json_answer(200, shapes.lookup(await self._services.in_database(feedback.find_song, reference)))


def _ids(request: Request, name: str) -> list[str]:
    texts = (request.query_params.get(name) or "").split(",")
    return [text.strip().lower() for text in texts if text.strip()][:MOST_ROWS]


def _listen(user: str, play: RecentPlay) -> dict[str, Any]:
    return shapes.listen(
        play.song,
        user=user,
        listened_at=play.played_at,
        inserted_at=play.recorded_at,
        source=play.source,
        ms_played=play.ms_played,
        context=play.context,
    )


def _playing(stored: bytes) -> tuple[SongRef, str | None]:
    playing = json.loads(stored)
    return SongRef(**playing["song"]), playing["source"]


def _opinion(user: str, opinion: Opinion) -> dict[str, Any]:
    return shapes.feedback(opinion.song, user=user, score=opinion.score, at=opinion.said_at)
