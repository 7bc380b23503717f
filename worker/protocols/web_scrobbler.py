"""Read Web Scrobbler's webhook: its scrobbles as plays, its loves as favorites, and what is playing now.

By src/core/scrobbler/webhook-scrobbler.ts and src/core/object/song.ts in web-scrobbler/web-scrobbler. A song has what
the page says in `parsed` and what was corrected in `processed`; it began at `metadata.startTimestamp`, in seconds. The
`time` of the notice is when it was sent, in milliseconds.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from worker.errors import MalformedRequestError
from worker.protocols import submission, values
from worker.protocols.context import context_of
from worker.protocols.submission import Item, Notice

_SOURCE: Final = "Web Scrobbler"
_NOTHING: Final[Mapping[str, Any]] = {}


def notice_of(body: bytes, *, user: str, now: datetime) -> Notice:
    """Read a notice. An event that is not known here is an empty notice.

    Raises:
        MalformedRequestError: it is no notice, or says of no song that it is playing or loved.
    """
    sent = values.parse_json(body)
    data = sent.get("data") if isinstance(sent, dict) else None
    if not isinstance(data, dict):
        raise MalformedRequestError("the body must be a JSON object with eventName, time and data")
    match sent.get("eventName"):
        case "scrobble":
            return Notice(_plays(data, user, now))
        case "loved":
            return Notice([_love(sent, data, user, now)])
        case "nowplaying" | "resumedplaying":
            return Notice(playing=submission.playing(_song(data.get("song")), user=user, now=now, source=_SOURCE))
        case "paused":
            return Notice(is_silent=True)
    return Notice()


def _plays(data: Mapping[str, Any], user: str, now: datetime) -> list[Item]:
    # Older versions send `song` only, newer ones the first of `songs` in it, too.
    songs = data.get("songs")
    sent = songs if isinstance(songs, list) and songs else [data.get("song")]
    return [_play(song, user, now) for song in submission.bounded(sent)]


def _play(sent: Any, user: str, now: datetime) -> Item:
    return submission.play(
        _song(sent),
        user=user,
        time=values.epoch_time("metadata.startTimestamp", _part(sent, "metadata").get("startTimestamp")),
        now=now,
        received=sent,
        source=_SOURCE,
        context=_context(sent),
    )


def _love(sent: Mapping[str, Any], data: Mapping[str, Any], user: str, now: datetime) -> Item:
    song = _song(data.get("song"))
    item = submission.favorite(song, user=user, loved=data.get("isLoved") is True, at=_sent_at(sent, now), now=now)
    if item.error is not None:
        raise MalformedRequestError(item.error.detail)
    return item


def _sent_at(sent: Mapping[str, Any], now: datetime) -> datetime:
    """When the user said so, by the browser's clock; `now` where it is not plausible, as of a clock that is ahead."""
    ms = sent.get("time")
    at = values.from_epoch(ms / 1000) if isinstance(ms, int) and not isinstance(ms, bool) and abs(ms) < 10**15 else None
    return at.astimezone(UTC) if at is not None and at <= now else now


def _song(sent: Any) -> dict[str, Any]:
    processed, parsed = _part(sent, "processed"), _part(sent, "parsed")
    return submission.song(
        processed.get("track") or parsed.get("track"),
        processed.get("artist") or parsed.get("artist"),
        album=processed.get("album") or parsed.get("album"),
        duration_ms=values.seconds(parsed.get("duration")) or values.seconds(processed.get("duration")),
        ids=values.mbids(_part(sent, "metadata"), (("release_mbid", "albumMbId"),)),
        album_artist=processed.get("albumArtist") or parsed.get("albumArtist"),
    )


def _context(sent: Any) -> dict[str, Any] | None:
    """Under the names that the same extension has for them at ListenBrainz."""
    parsed = _part(sent, "parsed")
    facts = {
        "music_service_name": _part(sent, "metadata").get("label") or _part(sent, "connector").get("label"),
        "origin_url": parsed.get("originUrl"),
        "is_podcast": parsed.get("isPodcast") or None,
    }
    return context_of(facts.items())


def _part(sent: Any, name: str) -> Mapping[str, Any]:
    found = sent.get(name) if isinstance(sent, dict) else None
    return found if isinstance(found, dict) else _NOTHING
