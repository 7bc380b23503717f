"""Read the write calls of Last.fm's API 2.0 as events: scrobbles, what is playing now, and loves.

Parameters by https://www.last.fm/api/show/track.scrobble, track.updateNowPlaying, track.love, track.unlove; as clients
send them in pylast (`scrobble_many`: always `artist[0]`), Pano Scrobbler (api/lastfm/Lastfm.kt: plain for one) and Web
Scrobbler (audio-scrobbler.ts: in the query of a POST).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple

from worker.errors import MalformedRequestError
from worker.protocols import submission, values
from worker.protocols.context import context_of
from worker.protocols.submission import Item, NowPlaying

_indexed: Final = re.compile(r"(\w+)\[([0-9]{1,4})\]", re.ASCII).fullmatch
_MBIDS: Final = (("mbid", "mbid"),)
# Of a track, and not of the request, whose parameters may be secrets.
_CONTEXT: Final = frozenset({"trackNumber", "chosenByUser", "context", "streamId", "streamID"})
_OF_TRACK: Final = _CONTEXT | {"artist", "track", "timestamp", "album", "albumArtist", "duration", "mbid"}
# What the names mean that Last.fm gives to 1, its default.
_BY_DEFAULT: Final = ("chosenByUser", "1")


class Ignored(IntEnum):
    """Why a scrobble is ignored: the codes of `ignoredMessage`."""

    NOT = 0
    ARTIST = 1
    TRACK = 2
    TOO_OLD = 3
    TOO_NEW = 4


class Scrobble(NamedTuple):
    """A track as it was sent, which the answer repeats, and what became of it."""

    sent: Mapping[str, str]
    item: Item
    ignored: Ignored


class Login(NamedTuple):
    """Parameters of auth.getMobileSession: the password, or md5(user + md5(password)) as `proof`."""

    user: str
    password: str | None
    proof: str | None


def scrobbles_of(params: Mapping[str, str], *, user: str, client: str | None, now: datetime) -> Sequence[Scrobble]:
    """Read track.scrobble: its tracks in the order of their indices. More than Last.fm's 50 are taken.

    Args:
        params: of the query and the body.
        user: the session's.
        client: the name of the client, if the request tells it.
        now: the server's clock, aware.

    Raises:
        MalformedRequestError: there is no track.
    """
    tracks = submission.bounded(_tracks(params))
    if not tracks:
        raise MalformedRequestError("no track: artist, track and timestamp are required, each with or without [0]")
    return [_scrobble(track, user, client, now) for track in tracks]


def _tracks(params: Mapping[str, str]) -> list[dict[str, str]]:
    """The parameters of each track by their names without the index. Those without one are of the track 0."""
    tracks: dict[int, dict[str, str]] = {}
    for name, value in params.items():
        found = _indexed(name)
        plain, index = (found[1], int(found[2])) if found else (name, 0)
        if plain in _OF_TRACK:
            tracks.setdefault(index, {})[plain] = value
    return [tracks[index] for index in sorted(tracks)]


def _scrobble(track: Mapping[str, str], user: str, client: str | None, now: datetime) -> Scrobble:
    time = values.epoch_time("timestamp", track.get("timestamp"))
    item = submission.play(
        _song(track), user=user, time=time, now=now, received=track, source=client, context=_context(track)
    )
    return Scrobble(track, item, _ignored(track, item, now))


def _song(track: Mapping[str, str]) -> dict[str, Any]:
    return submission.song(
        track.get("track"),
        track.get("artist"),
        album=track.get("album"),
        duration_ms=values.seconds(track.get("duration")),
        ids=values.mbids(track, _MBIDS),
        album_artist=track.get("albumArtist"),
    )


def _context(track: Mapping[str, str]) -> dict[str, Any] | None:
    return context_of(fact for fact in track.items() if fact[0] in _CONTEXT and fact != _BY_DEFAULT)


def _ignored(track: Mapping[str, str], item: Item, now: datetime) -> Ignored:
    if item.error is None:
        return Ignored.NOT
    rule = item.error.detail
    if rule.startswith("time"):
        at, fault = values.epoch_time("timestamp", track.get("timestamp"))
        # Milliseconds are a time in the far future.
        is_new = fault is not None or (isinstance(at, datetime) and at > now)
        return Ignored.TOO_NEW if is_new else Ignored.TOO_OLD
    is_of_artist = rule.startswith("song.artist") or not _is_storable(track.get("artist"))
    return Ignored.ARTIST if is_of_artist else Ignored.TRACK


def _is_storable(text: str | None) -> bool:
    return text is not None and values.optional(text, len(text)) == text.strip()


def playing_of(params: Mapping[str, str], *, user: str, client: str | None, now: datetime) -> NowPlaying:
    """Read track.updateNowPlaying. Raises MalformedRequestError if it names no song."""
    return submission.playing(_song(_first(params)), user=user, now=now, source=client)


def love_of(params: Mapping[str, str], *, loved: bool, user: str, client: str | None, now: datetime) -> Item:
    """Read track.love or track.unlove. Raises MalformedRequestError if it names no song."""
    track = _first(params)
    item = submission.favorite(_song(track), user=user, loved=loved, now=now, source=client)
    if item.error is not None:
        raise MalformedRequestError(item.error.detail)
    return item


def _first(params: Mapping[str, str]) -> Mapping[str, str]:
    return next(iter(_tracks(params)), {})


def login_of(params: Mapping[str, str]) -> Login:
    """Read auth.getMobileSession.

    Raises:
        MalformedRequestError: a user, or both of password and authToken, are missing.
    """
    user, password, proof = (params.get(name) or None for name in ("username", "password", "authToken"))
    if user is None or (password is None and proof is None):
        raise MalformedRequestError("username, and password or authToken, are required")
    return Login(user, password, proof)
