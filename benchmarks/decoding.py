"""What decoding and encoding an event costs, by its shape, beside an ordinary play."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks import goals
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate
from worker.contract.codec import decode, encode

_NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_UNIT: Final = "µs"
# So few that all shapes of a round are measured within a second of the ordinary play.
_TIMES: Final = 5_000

_Fields = dict[str, Any]
_SONG: Final[_Fields] = {"title": "Parabola", "artist": "Tool", "album": "Lateralus", "duration_ms": 183_000}
_PLAY: Final[_Fields] = {
    "v": 1,
    "id": "01938a4e-5c1b-7d21-9f3a-2b7c9d1e4f60",
    "type": "play",
    "time": "2026-11-20T21:04:11.123456+01:00",
    "user": "ada",
    "source": "mpd/0.23.14",
    "song": _SONG,
    "ms_played": 181_200,
}
_IDS: Final = {"isrc": "USVR20100398", "mbid": "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"}
_MBIDS: Final = dict.fromkeys(
    ("recording_mbid", "artist_mbid", "release_mbid", "release_group_mbid"), "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"
)
_SPOTIFY_CONTEXT: Final = {
    "platform": "ios", "shuffle": True, "skipped": False, "offline": False, "incognito_mode": False,
    "reason_start": "trackdone", "reason_end": "trackdone",
}  # fmt: skip


def _without(*names: str) -> _Fields:
    return {name: value for name, value in _PLAY.items() if name not in names}


def _of_song(**more: Any) -> _Fields:
    return _PLAY | {"song": _SONG | more}


ORDINARY: Final = "an ordinary play"
# Each differs from the ordinary play in one thing,
ONE_THING: Final[Mapping[str, _Fields]] = {
    "context of three members": _PLAY | {"context": {"shuffle": True, "platform": "ios", "volume": 0.5}},
    "context of seven members (Spotify)": _PLAY | {"context": _SPOTIFY_CONTEXT},
    "song.ids: one": _of_song(ids={"isrc": "USVR20100398"}),
    "song.ids: two": _of_song(ids=_IDS),
    "song.ids: four": _of_song(ids=_MBIDS),
    "unknown field": _PLAY | {"client": "tray"},
    "unknown field in song": _of_song(genre="Progressive Metal"),
    "unknown object": _PLAY | {"device": {"name": "phone", "ids": [1, 2, 3]}},
    "non-ASCII user, in NFC": _PLAY | {"user": "Zo\u00eb"},
    "non-ASCII user, not in NFC": _PLAY | {"user": "Zoe\u0308"},
    "non-ASCII song": _of_song(title="\u30d1\u30e9\u30dc\u30e9", artist="\u691c\u5b9a"),
    "white space around user": _PLAY | {"user": "ada "},
    "white space around title and artist": _of_song(title=" Parabola", artist="Tool\n"),
    "id in upper case": _PLAY | {"id": str(_PLAY["id"]).upper()},
    "no id": _without("id"),
    "optional fields null": _PLAY | {"context": None, "sent_at": None, "song": _SONG | {"ids": None}},
    "sent_at": _PLAY | {"sent_at": "2026-11-20T21:08:11.123456+01:00"},
    "album empty": _of_song(album=""),
    "time in UTC": _PLAY | {"time": "2026-11-20T20:04:11Z"},
    "a favorite": _without("ms_played") | {"type": "favorite", "favorite": True},
    "a preference": _without("song", "ms_played") | {"type": "preference", "key": "mood", "value": {"now": "calm"}},
}
# and each of these in all that its client sends.
CLIENTS: Final[Mapping[str, _Fields]] = {
    "raw XADD, the least play": {
        "type": "play",
        "time": "2026-11-20T20:04:11Z",
        "user": "ada",
        "song": {"title": "Parabola", "artist": "Tool"},
    },
    "SDK, stamped": _PLAY | {"sent_at": "2026-11-20T21:08:11.123456+01:00"},
    "ListenBrainz import": {
        "type": "play",
        "time": "2026-11-20T20:04:11Z",
        "user": "ada",
        "source": "listenbrainz-export",
        "song": _SONG | {"ids": {"mbid": _MBIDS["recording_mbid"]}},
        "context": {"client": "mpd"},
    },
    "Spotify import": {
        "type": "play",
        "time": "2026-11-20T20:04:11Z",
        "user": "ada",
        "source": "spotify-export",
        "song": {
            "title": "Parabola",
            "artist": "Tool",
            "album": "Lateralus",
            "ids": {"spotify": "spotify:track:6rqhFgbbKwnb9MLmUQDhG6"},
        },
        "ms_played": 181_200,
        "context": _SPOTIFY_CONTEXT,
    },
    "everything at once": _without("id")
    | {
        "user": "Zoe\u0308 ",
        "sent_at": "2026-11-20T21:08:11.123456+01:00",
        "song": _SONG | {"ids": _MBIDS, "genre": "Progressive Metal"},
        "context": _SPOTIFY_CONTEXT,
        "device": {"name": "phone", "ids": [1, 2, 3]},
    },
}


def measure(*, rounds: int) -> Report:
    shapes = {ORDINARY: _PLAY, **ONE_THING, **CLIENTS}
    payloads = {name: encode(fields) for name, fields in shapes.items()}
    payloads["written with escapes and indents"] = json.dumps(_of_song(title="\u30d1\u30e9"), indent=2).encode()
    decoding = {name: _timed(_decode, payload) for name, payload in payloads.items()}
    encoding = {f"encode: {name}": _timed(encode, shapes[name]) for name in (ORDINARY, *CLIENTS)}
    taken = alternate(decoding | encoding, rounds)
    ratios = [
        Line(f"{name} ÷ ordinary", taken[name].against(taken[ORDINARY]), "ratio", goal=goals.DECODE)
        for name in payloads
        if name != ORDINARY
    ]
    lines = [Line(name, measured, _UNIT) for name, measured in taken.items()]
    return Report("decode", "Decoding and encoding one event, processor time", machine(), [*lines, *ratios])


def _decode(payload: bytes) -> Any:
    return decode(payload, now=_NOW)


def _timed(call: Callable[[Any], Any], argument: Any) -> Callable[[], float]:
    """Microseconds of processor time for one call."""

    def run() -> float:
        began = time.process_time()
        for _ in range(_TIMES):
            call(argument)
        return (time.process_time() - began) / _TIMES * 1e6

    return run
