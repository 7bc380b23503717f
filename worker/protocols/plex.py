"""Read Plex's webhook: its scrobbles as plays, its ratings as favorites, and what is playing now.

https://support.plex.tv/articles/115002267687-webhooks, payloads in tacoded/plex-webhook (sample-payload.md). Of a
track, `grandparentTitle` is the album's artist, `parentTitle` the album, and `originalTitle` the track's own artist
where that is another. Plex's MBID is the track's, as multi-scrobbler has it (src/backend/sources/PlexApiSource.ts).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.errors import MalformedRequestError
from worker.protocols import submission, values
from worker.protocols.context import context_of
from worker.protocols.submission import Notice

# Plex reports a song when this much of it has been played.
_PLAYED: Final = 0.9
_SOURCE: Final = "Plex"
# Of ten: five stars, which is what Plexamp's heart gives.
_LOVE: Final = 10
_MUSICBRAINZ: Final = "mbid://"
_NOTHING: Final[Mapping[str, Any]] = {}


def notice_of(payload: bytes, *, user: str, account: str | None, now: datetime) -> Notice:
    """Read the field `payload` of a request. What is not about a track is an empty notice.

    Plex sends the plays of everybody who shares the server to its owner's webhook. They are the token's user's, unless
    `account` names the one account that counts.

    Raises:
        MalformedRequestError: it is no payload of Plex, or says of no song that it is playing now.
    """
    sent = values.parse_json(payload)
    if not isinstance(sent, dict) or not isinstance(sent.get("event"), str):
        raise MalformedRequestError("payload: must be a JSON object with event, Account and Metadata")
    track = _object(sent, "Metadata")
    if track.get("type") != "track" or (account and _object(sent, "Account").get("title") != account):
        return Notice()
    return _notice(sent, track, user, now)


def _notice(sent: Mapping[str, Any], track: Mapping[str, Any], user: str, now: datetime) -> Notice:
    match sent["event"]:
        case "media.scrobble":
            return Notice([_play(sent, track, user, now)])
        case "media.rate":
            return _rated(sent, track, user, now)
        case "media.play" | "media.resume":
            return Notice(playing=submission.playing(_song(track), user=user, now=now, source=_SOURCE))
        case "media.stop" | "media.pause":
            return Notice(is_silent=True)
    return Notice()


def _play(sent: Mapping[str, Any], track: Mapping[str, Any], user: str, now: datetime) -> submission.Item:
    """The play began nine tenths of the song ago, as far as Plex tells. How much was heard, it does not."""
    song = _song(track)
    began = now.astimezone(UTC) - timedelta(milliseconds=_PLAYED * song.get("duration_ms", 0))
    facts = {
        "player": _object(sent, "Player").get("title"),
        "server": _object(sent, "Server").get("title"),
        "account": _object(sent, "Account").get("title"),
        "tracknumber": track.get("index"),
    }
    return submission.play(
        song,
        user=user,
        # A fraction of a second would claim a precision that this has not.
        time=(began.replace(microsecond=0), None),
        now=now,
        received=track,
        source=_SOURCE,
        context=context_of(facts.items()),
    )


def _rated(sent: Mapping[str, Any], track: Mapping[str, Any], user: str, now: datetime) -> Notice:
    """Ten of ten is a favorite, any other rating takes it back; a notice without a rating says nothing."""
    rating = sent.get("rating", track.get("userRating"))
    try:
        loved = float(rating) >= _LOVE
    except (TypeError, ValueError, OverflowError):
        return Notice()
    item = submission.favorite(_song(track), user=user, loved=loved, now=now, source=_SOURCE)
    return Notice([item] if item.error is None else [])


def _song(track: Mapping[str, Any]) -> dict[str, Any]:
    return submission.song(
        track.get("title"),
        track.get("originalTitle") or track.get("grandparentTitle"),
        album=track.get("parentTitle"),
        duration_ms=values.milliseconds(track.get("duration")),
        ids=_ids(track.get("Guid")),
        # Only where it differs from the track's own artist.
        album_artist=track.get("grandparentTitle") if track.get("originalTitle") else None,
    )


def _ids(guids: Any) -> dict[str, str]:
    """The MBID among the ids at other services, which are like `{"id": "mbid://98255a8c-…"}`."""
    for guid in guids if isinstance(guids, list) else ():
        text = guid.get("id") if isinstance(guid, dict) else None
        if isinstance(text, str) and (found := values.mbid(text.removeprefix(_MUSICBRAINZ))):
            return {"track_mbid": found}
    return {}


def _object(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else _NOTHING
