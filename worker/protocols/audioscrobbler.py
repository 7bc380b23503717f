"""Read AudioScrobbler 1.2, which mpdscribble, qlscrobbler and old devices speak, as events, and write its answers.

https://www.last.fm/api/submissions, http://www.audioscrobbler.net/development/protocol/; mpdscribble by its
src/{Scrobbler,MpdObserver}.cxx. Every answer needs the status 200: to these clients any other is a network fault.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from worker.errors import MalformedRequestError
from worker.protocols import submission, values
from worker.protocols.context import context_of
from worker.protocols.submission import Item, NowPlaying

_indexed: Final = re.compile(r"([a-z])\[([0-9]{1,4})\]").fullmatch
# A clock that is further off would misdate the plays, too.
_CLOCK_TOLERANCE: Final = timedelta(hours=1)
# The only client known to send when a song ended, where the protocol asks for its beginning.
_MPDSCRIBBLE: Final = "mdc"
_NAMES: Final = {_MPDSCRIBBLE: "mpdscribble", "qts": "qlscrobbler"}
_MBIDS: Final = (("mbid", "m"),)
_CHOSEN_BY_USER: Final = "P"


class Rating(StrEnum):
    LOVE = "L"
    BAN = "B"
    SKIP = "S"


class Handshake(NamedTuple):
    """Who wants a session. `proof` is md5(md5(token) + time)."""

    user: str
    time: str
    proof: str
    client: str
    version: str


class _Sender(NamedTuple):
    user: str
    source: str | None
    sends_ends: bool


# --- Requests -------------------------------------------------------------------------------------


def handshake_of(params: Mapping[str, str], *, now: datetime) -> Handshake | None:
    """Read a handshake's query; None if its clock is more than an hour off, which is answered by `BADTIME`.

    Raises:
        MalformedRequestError: it is of another version of the protocol, or incomplete.
    """
    if not params.get("p", "").startswith("1.2"):
        raise MalformedRequestError("p: only version 1.2 of the protocol is spoken here")
    user, time, proof = (params.get(name, "") for name in "uta")
    at = values.from_epoch(time)
    if not user or not proof or at is None:
        raise MalformedRequestError("u, t and a are required, t in seconds since 1970")
    if abs(at - now) > _CLOCK_TOLERANCE:
        return None
    return Handshake(user, time, proof, params.get("c", ""), params.get("v", ""))


def plays_of(params: Mapping[str, str], *, user: str, now: datetime) -> Sequence[Item]:
    """Read a submission: a play for each track, and a favorite for each that was loved or banned while it played.

    A time is when the song began; from mpdscribble it is the end, from which a known length is subtracted.

    Args:
        params: of the body, and of the query, which has the handshake's `c` and `v` (`handshake_answer`).
        user: the session's.
        now: the server's clock, aware.

    Raises:
        MalformedRequestError: there is no track.
    """
    tracks = submission.bounded(_tracks(params))
    if not tracks:
        raise MalformedRequestError("no track: a[0], t[0] and i[0] are required")
    sender = _Sender(user, _source(params), sends_ends=params.get("c") == _MPDSCRIBBLE)
    return [item for track in tracks for item in _items(track, sender, now)]


def _tracks(params: Mapping[str, str]) -> list[dict[str, str]]:
    tracks: dict[int, dict[str, str]] = {}
    for name, value in params.items():
        if found := _indexed(name):
            tracks.setdefault(int(found[2]), {})[found[1]] = value
    return [tracks[index] for index in sorted(tracks)]


def _items(track: Mapping[str, str], sender: _Sender, now: datetime) -> list[Item]:
    song = _song(track)
    play = submission.play(
        song,
        user=sender.user,
        time=_time(track, song, sender),
        now=now,
        received=track,
        source=sender.source,
        context=_context(track),
    )
    rating = track.get("r")
    if play.event is None or rating not in (Rating.LOVE, Rating.BAN):
        return [play]
    loved, at = rating == Rating.LOVE, play.event.time.at
    return [play, submission.favorite(song, user=sender.user, loved=loved, at=at, now=now, source=sender.source)]


def _time(track: Mapping[str, str], song: Mapping[str, Any], sender: _Sender) -> values.Time:
    at, fault = values.epoch_time("i", track.get("i"))
    if not sender.sends_ends or not isinstance(at, datetime) or "duration_ms" not in song:
        return at, fault
    return at - timedelta(milliseconds=song["duration_ms"]), None


def _song(track: Mapping[str, str]) -> dict[str, Any]:
    return submission.song(
        track.get("t"),
        track.get("a"),
        album=track.get("b"),
        duration_ms=values.seconds(track.get("l")),
        ids=values.mbids(track, _MBIDS),
    )


def _context(track: Mapping[str, str]) -> dict[str, Any] | None:
    """The track number, and how the song was chosen and rated in the protocol's letters. A skip stays a play."""
    chosen = track.get("o")
    facts = {"tracknumber": track.get("n"), "rating": track.get("r")}
    return context_of((facts | {"chosen": None if chosen == _CHOSEN_BY_USER else chosen}).items())


def playing_of(params: Mapping[str, str], *, user: str, now: datetime) -> NowPlaying:
    """Read a now-playing notification. Raises MalformedRequestError if it names no song."""
    return submission.playing(_song(params), user=user, now=now, source=_source(params))


def _source(params: Mapping[str, str]) -> str | None:
    client = params.get("c", "")
    return values.client(_NAMES.get(client, client), params.get("v"))


# --- Answers --------------------------------------------------------------------------------------

OK: Final = "OK\n"
BAD_AUTH: Final = "BADAUTH\n"
BAD_TIME: Final = "BADTIME\n"
BAD_SESSION: Final = "BADSESSION\n"


def failed(reason: str) -> str:
    """A failure after which the client tries again later, and after a few with a new handshake."""
    return f"FAILED {' '.join(reason.split())}\n"


def handshake_answer(handshake: Handshake, *, key: str, playing_url: str, submission_url: str) -> str:
    """The session, and where to send to. The URLs carry the client's name, because the session does not know it."""
    query = urlencode({"c": handshake.client, "v": handshake.version})
    return f"OK\n{key}\n{playing_url}?{query}\n{submission_url}?{query}\n"
