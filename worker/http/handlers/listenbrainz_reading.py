"""Serve what ListenBrainz' clients read of a user: listens, what plays now, feedback."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from worker.contract.identity import song_identity
from worker.http.endpoint import Answer, Endpoint, json_answer
from worker.http.handlers.listenbrainz import refuse
from worker.http.reading import MOST_ROWS, Reader, instant, number
from worker.http.refusals import RequestRefusedError
from worker.http.services import Services
from worker.operations import feedback
from worker.protocols import listenbrainz_reading as shapes
from worker.statistics import History, Opinion, RecentPlay, UserListening, history, opinions, recent_plays

_USUAL: Final = 25


def routes(services: Services) -> Sequence[BaseRoute]:
    """Everything that reads, without the statistics."""
    reader = Reader(services)

    async def listens(request: Request) -> Answer:
        user = await reader.user(request)
        most = number(request, "count", _USUAL, most=MOST_ROWS)
        after, before = instant(request, "min_ts"), instant(request, "max_ts")

        def question(of: UserListening) -> tuple[Sequence[RecentPlay], History]:
            plays = recent_plays(of.connection, of.user_id, most=most, after=after, before=before)
            return plays, history(of.connection, of.user_id)

        plays, whole = await reader.ask(user, question)
        rows = [shapes.listen(user, play.played_at, play.recorded_at, _metadata(play)) for play in plays]
        return json_answer(200, shapes.listens(user, rows, ends=(whole.first_at, whole.last_at)))

    async def listen_count(request: Request) -> Answer:
        whole = await reader.ask(await reader.user(request), lambda of: history(of.connection, of.user_id))
        return json_answer(200, {"payload": {"count": whole.plays}})

    async def playing_now(request: Request) -> Answer:
        user = await reader.user(request)
        stored = await services.stream.now_playing(user)
        return json_answer(200, shapes.playing_now(user, None if stored is None else _playing(stored)))

    async def get_feedback(request: Request) -> Answer:
        user = await reader.user(request)
        score = request.query_params.get("score") or None
        if score not in {None, "1", "-1", "0"}:
            raise RequestRefusedError(400, "score: must be 1, 0 or -1")
        most, offset = number(request, "count", _USUAL, most=MOST_ROWS), number(request, "offset", 0)
        found = [each for each in await _opinions(reader, user) if score is None or each.score == int(score)]
        rows = [_opinion(each) for each in found[offset : offset + most]]
        return json_answer(200, shapes.feedback(user, rows, count=len(rows), offset=offset, total=len(found)))

    async def get_feedback_for_recordings(request: Request) -> Answer:
        user = await reader.user(request)
        found = await _opinions(reader, user)
        by_msid = {shapes.msid(each.identity): each.score for each in found}
        by_mbid = {str(each.ids["mbid"]).lower(): each.score for each in found if each.ids.get("mbid")}
        rows = [
            {
                "user_id": user,
                "recording_msid": None,
                "recording_mbid": None,
                kind: wanted,
                "score": scores.get(wanted, 0),
            }
            for kind, scores in (("recording_msid", by_msid), ("recording_mbid", by_mbid))
            for wanted in _ids(request, f"{kind}s")
        ]
        return json_answer(200, {"feedback": rows})

    async def lookup(request: Request) -> Answer:
        await reader.token(request)
        artist, title = (request.query_params.get(name, "") for name in ("artist_name", "recording_name"))
        if not artist.strip() or not title.strip():
            raise RequestRefusedError(400, "artist_name and recording_name: both are required")
        reference = f"{feedback.MSID}{song_identity(artist, title)}"
        song = await services.in_database(feedback.find_song, reference)
        mbid = (song.ids or {}).get("mbid") if song else None
        if song is None or mbid is None:
            return json_answer(200, {})
        names = {"artist_credit_name": song.artist, "recording_name": song.title, "release_name": song.album}
        return json_answer(200, {**names, "recording_mbid": mbid})

    async def nobody(request: Request) -> Answer:
        user = await reader.user(request)
        return json_answer(200, {request.url.path.rpartition("/")[2]: [], "user": user})

    async def no_playlists(request: Request) -> Answer:
        await reader.user(request)
        return json_answer(200, {"count": 0, "offset": 0, "playlist_count": 0, "playlists": []})

    found: Mapping[str, Callable[[Request], Awaitable[Answer]]] = {
        "/1/user/{user}/listens": listens,
        "/1/user/{user}/listen-count": listen_count,
        "/1/user/{user}/playing-now": playing_now,
        "/1/user/{user}/following": nobody,
        "/1/user/{user}/followers": nobody,
        "/1/user/{user}/playlists": no_playlists,
        "/1/user/{user}/playlists/createdfor": no_playlists,
        "/1/feedback/user/{user}/get-feedback": get_feedback,
        "/1/feedback/user/{user}/get-feedback-for-recordings": get_feedback_for_recordings,
        "/1/metadata/lookup": lookup,
    }
    return [
        Route(path, Endpoint(path, handle, refuse=refuse, gate=services.gate), methods=["GET"])
        for path, handle in found.items()
    ]


async def _opinions(reader: Reader, user: str) -> Sequence[Opinion]:
    return await reader.ask(user, lambda of: opinions(of.connection, of.user_id))


def _ids(request: Request, name: str) -> list[str]:
    texts = (request.query_params.get(name) or "").split(",")
    return [text.strip().lower() for text in texts if text.strip()][:MOST_ROWS]


def _metadata(play: RecentPlay) -> Mapping[str, Any]:
    return shapes.track_metadata(
        play.artist,
        play.title,
        play.album,
        identity=play.identity,
        ids=play.ids,
        duration_ms=play.duration_ms,
        duration_played=None if play.ms_played is None else play.ms_played // 1000,
        submission_client=play.source,
    )


def _playing(stored: bytes) -> Mapping[str, Any]:
    playing = json.loads(stored)
    song = playing["song"]
    return shapes.track_metadata(
        song["artist"],
        song["title"],
        song.get("album"),
        identity=song_identity(song["artist"], song["title"]),
        ids=song.get("ids") or {},
        duration_ms=song.get("duration_ms"),
        submission_client=playing.get("source"),
    )


def _opinion(opinion: Opinion) -> Mapping[str, Any]:
    metadata = shapes.track_metadata(
        opinion.artist, opinion.title, opinion.album, identity=opinion.identity, ids=opinion.ids
    )
    ids = {"recording_msid": shapes.msid(opinion.identity), "recording_mbid": opinion.ids.get("mbid")}
    return {"created": shapes.epoch(opinion.said_at), "score": opinion.score, **ids, "track_metadata": metadata}
