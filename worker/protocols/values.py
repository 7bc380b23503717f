"""Read times, durations, ids and texts as players spell them: what is unambiguous is understood, nothing is guessed.

An optional fact that makes no sense is None, so that it never costs a play. A required one is handed on as it was sent,
and the contract says what is wrong with it.

Spellings are those that players were seen to send, and those that ListenBrainz's server takes although its
documentation does not name them (`validate_duration_field`, `validate_single_mbid_field` in its views/api_tools.py).
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import MsgspecError
from msgspec.json import Decoder

from worker.contract.events import MAX_ARTISTS, MAX_DURATION_MS, MAX_SONG_TEXT
from worker.errors import MalformedRequestError

# From here on a count since 1970 is one of milliseconds or less: as seconds it would be the year 5138.
FIRST_MILLISECONDS: Final = 10**11
_is_number: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,12})?").fullmatch
_is_clock: Final = re.compile(r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-5][0-9](?:\.[0-9]{1,6})?)").fullmatch
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# The nil UUID stands for none.
is_uuid: Final = re.compile(rf"(?!0{{8}}-[0-]{{27}}){_UUID}").fullmatch
# Taggers join several ids by "/", ";" or ",", with or without a space.
_first_uuid: Final = re.compile(rf"\s*({_UUID})\s*(?:[/;,\x00].*)?", re.IGNORECASE | re.DOTALL).fullmatch
_is_isrc: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}").fullmatch
# A link to open.spotify.com or play.spotify.com, with or without a language, or Spotify's own URI.
_in_spotify: Final = re.compile(r"(?:https?://\w+\.spotify\.com/(?:[a-z-]+/)?track/|spotify:track:)(\w{22})\b").match
_nul_and_surrogates: Final = re.compile(r"[\x00\ud800-\udfff]+")
# Longer than any valid title, so that the contract refuses what is cut here too.
_MAX_REQUIRED_TEXT: Final = MAX_SONG_TEXT + 100

# Without bool, which is an int to isinstance().
_NUMBERS: Final = frozenset({int, float})

_json: Final = Decoder()


def parse_json(body: bytes) -> Any:
    """Parse a request's JSON.

    The standard library's parser takes what the fast one refuses and some players send: lone surrogates, which
    JavaScript writes as escapes, NaN, and a byte order mark. They cost the fact or the play that has them, no other.

    Raises:
        MalformedRequestError: it is no JSON, or nested too deep. The text does not quote it.
    """
    try:
        return _json.decode(body)
    except (MsgspecError, UnicodeDecodeError):
        pass
    except RecursionError:
        raise MalformedRequestError("the body is JSON nested too deep") from None
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise MalformedRequestError(f"the body is no JSON: {error.msg} at character {error.pos}") from None
    except UnicodeDecodeError:
        raise MalformedRequestError("the body is no JSON: it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise MalformedRequestError(
            "the body is no JSON that can be read: a number is too long, or it nests too deep"
        ) from None


# --- Times ----------------------------------------------------------------------------------------


# An instant, and None; or what was sent, and what is wrong with it where the contract cannot say it as well.
Time = tuple[Any, str | None]


def epoch_time(field: str, sent: Any) -> Time:
    """Read seconds since 1970, as a number or as digits, to the microsecond. They tell no offset, so it is UTC.

    Milliseconds and smaller units are not guessed: their fault names `field`. RFC 3339 text is handed on, so is None.
    """
    at = from_epoch(sent)
    if at is not None:
        return at, None
    if sent is None or (isinstance(sent, str) and not _is_number(sent.strip())):
        return required(sent), None
    is_smaller_unit = isinstance(sent, str) or (type(sent) in _NUMBERS and sent >= FIRST_MILLISECONDS)
    unit = ", not in milliseconds, microseconds or nanoseconds" if is_smaller_unit else ""
    return required(sent), f"{field}: must be in seconds since 1970{unit}"


def from_epoch(sent: Any) -> datetime | None:
    """Seconds since 1970; None if it is none, or too large to be one."""
    if isinstance(sent, str):
        sent = _number(sent)
    if type(sent) not in _NUMBERS or not 0 <= sent < FIRST_MILLISECONDS:
        return None
    return datetime.fromtimestamp(sent, UTC)


def _number(text: str) -> int | float | None:
    digits = text.strip()
    if not _is_number(digits):
        return None
    return float(digits) if "." in digits else int(digits)


# --- Durations ------------------------------------------------------------------------------------


def seconds(sent: Any) -> int | None:
    """A duration in seconds, such as 245, "245.5" or "4:05", in whole milliseconds. None for 0 and nonsense."""
    return _duration(sent, 1_000)


def milliseconds(sent: Any) -> int | None:
    """A duration in milliseconds, as a number or digits. None for 0, which players send for an unknown one."""
    return _duration(sent, 1)


def _duration(sent: Any, ms_each: int) -> int | None:
    if isinstance(sent, str):
        sent = _clock(sent) if ":" in sent else _number(sent)
    if type(sent) not in _NUMBERS or not 0 < sent <= MAX_DURATION_MS:
        return None
    ms = round(sent * ms_each)
    return ms if 1 <= ms <= MAX_DURATION_MS else None


def _clock(text: str) -> float | None:
    found = _is_clock(text.strip())
    if found is None:
        return None
    hours, minutes, rest = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


# --- Ids ------------------------------------------------------------------------------------------


def mbid(sent: Any) -> str | None:
    """A MusicBrainz id in lower case; of several the first."""
    if isinstance(sent, list):
        sent = sent[0] if sent else None
    if not isinstance(sent, str):
        return None
    if is_uuid(sent):
        return sent
    found = _first_uuid(sent)
    first = found[1].lower() if found else ""
    return first if is_uuid(first) else None


def isrc(sent: Any) -> str | None:
    """An ISRC without its hyphens, as the importers have it."""
    if isinstance(sent, list):
        sent = sent[0] if sent else None
    if not isinstance(sent, str):
        return None
    code = sent.strip().replace("-", "").upper()
    return code if _is_isrc(code) else None


def spotify(sent: Any) -> str | None:
    """Spotify's URI of a track, as its own exports have it, of a link or a URI."""
    found = _in_spotify(sent) if isinstance(sent, str) else None
    return f"spotify:track:{found[1]}" if found and found[1].isascii() else None


def mbids(sent: Mapping[str, Any], names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """MusicBrainz ids, by their names in `song.ids`. `names` has pairs of such a name and of the client's field."""
    known = {}
    for name, field in names:
        if field in sent and (one := mbid(sent[field])) is not None:
            known[name] = one
    return known


# --- Texts ----------------------------------------------------------------------------------------


def optional(sent: Any, most: int) -> str | None:
    """An optional text, trimmed and cut to `most` characters, without NUL and lone surrogates, which JSON may have."""
    if not isinstance(sent, str):
        return None
    return storable(sent).strip()[:most].rstrip() or None


def artist_names(sent: Any) -> list[str] | None:
    """The names of the artists in order; None if it is no list of names of the contract. An empty name is no artist."""
    if not isinstance(sent, list) or not all(isinstance(name, str) for name in sent):
        return None
    names = [name for text in sent if (name := storable(text).strip())]
    return names if 1 <= len(names) <= MAX_ARTISTS and max(map(len, names)) <= MAX_SONG_TEXT else None


def storable(text: str) -> str:
    return text if text.isprintable() else _nul_and_surrogates.sub("", text)


def required(sent: Any) -> Any:
    """A required value for the contract to judge, in bounds: what is cut here was too long, and stays so."""
    if isinstance(sent, str):
        return sent if len(sent) <= _MAX_REQUIRED_TEXT else sent.strip()[:_MAX_REQUIRED_TEXT]
    if sent is None or isinstance(sent, bool):
        return sent
    # The type is all that the contract says of it.
    return {} if isinstance(sent, dict) else [] if isinstance(sent, list) else 0


def client(name: Any, version: Any = None) -> str | None:
    """The `source` of an event: a client's name and version."""
    known = optional(name, 100)
    which = optional(version, 100)
    return f"{known}/{which}"[:100].rstrip() if known and which else known
