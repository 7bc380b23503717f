"""Write the answers of Last.fm's API 2.0 in XML and in JSON: of its write calls, sessions and failures.

A body is written once, as its JSON; `xml` derives the other form, by the rules of https://www.last.fm/api/rest#json the
other way round. The bodies are those of https://www.last.fm/api/show/track.scrobble and its siblings.
"""

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from worker.protocols.lastfm import Scrobble
from worker.protocols.submission import NowPlaying

Json = dict[str, Any]

# What XML 1.0 does not have, not even as a reference.
_not_xml: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Error(IntEnum):
    """Last.fm's codes of failure, as far as zik has them."""

    INVALID_METHOD = 3
    AUTHENTICATION_FAILED = 4
    INVALID_PARAMETERS = 6
    INVALID_RESOURCE = 7
    INVALID_SESSION = 9
    SERVICE_OFFLINE = 11
    UNAUTHORIZED_TOKEN = 14
    TOKEN_EXPIRED = 15
    TEMPORARY = 16
    RATE_LIMIT = 29


_STATUS: Final[Mapping[Error, int]] = {
    Error.AUTHENTICATION_FAILED: 403,
    Error.INVALID_RESOURCE: 404,
    Error.INVALID_SESSION: 403,
    Error.SERVICE_OFFLINE: 503,
    Error.UNAUTHORIZED_TOKEN: 403,
    Error.TOKEN_EXPIRED: 403,
    Error.TEMPORARY: 503,
    Error.RATE_LIMIT: 429,
}


# --- Forms ----------------------------------------------------------------------------------------


def xml(body: Json) -> bytes:
    """The XML of a body. `@attr` and what stands beside a `#text` are attributes; a list repeats its element."""
    root = Element("lfm", status="ok")
    for name, value in body.items():
        _append(root, name, value)
    return _text(root)


def _append(parent: Element, name: str, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _append(parent, name, item)
        return
    element = SubElement(parent, name)
    if not isinstance(value, dict):
        element.text = _legal(value)
        return
    attributes = value.get("@attr", {})
    if "#text" in value:
        element.text = _legal(value["#text"])
        attributes = {**attributes, **{key: text for key, text in value.items() if key not in ("#text", "@attr")}}
    else:
        for key, child in value.items():
            if key != "@attr":
                _append(element, key, child)
    for key, text in attributes.items():
        element.set(key, _legal(text))


def _text(root: Element) -> bytes:
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _legal(value: Any) -> str:
    return _not_xml.sub("", str(value))


def error_xml(code: Error, text: str) -> bytes:
    root = Element("lfm", status="failed")
    SubElement(root, "error", code=str(int(code))).text = _legal(text)
    return _text(root)


def error_json(code: Error, text: str) -> Json:
    return {"error": int(code), "message": text}


def status_of(code: Error) -> int:
    """The HTTP status of a failure. Only a temporary one has 5xx, on which clients try again."""
    return _STATUS.get(code, 400)


# --- Writing --------------------------------------------------------------------------------------


def scrobbled(scrobbles: Sequence[Scrobble]) -> Json:
    """The body of track.scrobble, once Redis has those that are not ignored. JSON has no list for a single one."""
    entries = [_scrobbled(one) for one in scrobbles]
    accepted = sum(not one.ignored for one in scrobbles)
    counts = {"accepted": accepted, "ignored": len(entries) - accepted}
    return {"scrobbles": {"@attr": counts, "scrobble": entries if len(entries) > 1 else entries[0]}}


def _scrobbled(one: Scrobble) -> Json:
    sent = one.sent
    names = _uncorrected(sent.get("track"), sent.get("artist"), sent.get("album"), sent.get("albumArtist"))
    why = one.item.error.detail if one.item.error else ""
    return {
        **names,
        "timestamp": sent.get("timestamp", ""),
        "ignoredMessage": {"code": str(int(one.ignored)), "#text": why},
    }


def _uncorrected(track: str | None, artist: str | None, album: str | None, album_artist: str | None = None) -> Json:
    named = {"track": track, "artist": artist, "album": album, "albumArtist": album_artist}
    return {name: {"corrected": "0", "#text": text or ""} for name, text in named.items()}


def now_playing(playing: NowPlaying) -> Json:
    """The body of track.updateNowPlaying."""
    song = playing.song
    names = _uncorrected(song["title"], song["artist"], song.get("album"))
    return {"nowplaying": {**names, "ignoredMessage": {"code": "0", "#text": ""}}}


def loved() -> Json:
    """The body of track.love and track.unlove."""
    return {}


def session(user: str, key: str) -> Json:
    """The body of auth.getMobileSession and auth.getSession."""
    return {"session": {"name": user, "key": key, "subscriber": 0}}


def token(text: str) -> Json:
    """The body of auth.getToken."""
    return {"token": text}
