"""What players send, in the shapes of real clients and by the code that writes them: a benchmark's second kind of data.

The listeners, songs and times are the simulator's. Each event gets the shape of a client, one in fifty comes twice, and
one in a thousand is none.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from worker.contract.codec import encode
from worker.contract.events import IMPORT
from worker.importers.formats import spotify
from worker.importers.rows import Notes
from worker.protocols.listenbrainz import submission_of

Fields = dict[str, Any]
Shaped = Callable[[Fields, datetime, random.Random], bytes]

_DUPLICATES: Final = 0.02
_BAD: Final = 0.001
# Of the duplicates, half are a retry at once, and half come from anywhere before, as of an outbox or a second import.
_RETRIED_AT_ONCE: Final = 0.5
_AT_ONCE: Final = 200

# A third of the artists, a fifth of the titles and a seventh of the listeners have names that are no ASCII.
_ARTISTS: Final = {"Amber": "Åmber", "Ivory": "象牙の", "Hollow": "Пустые"}
_TITLES: Final = {"Winter": "Зима", "Rain": "雨", "Leaving": "Don\u2019t Leave"}
_LISTENERS: Final = ("zoë-", "михаил-", "花子-")
_EVERY: Final = 7

_MBIDS: Final = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_EXTENDED: Final = next(each for each in spotify.FORMATS if "master_metadata_track_name" in getattr(each, "keys", ()))
_BAD_EVENTS: Final = (
    lambda event: encode({**event, "time": "yesterday"}),
    lambda event: encode({**event, "song": {"title": "", "artist": event["song"]["artist"]}}),
    lambda event: encode({**event, "ms_played": -1}),
    lambda event: encode(event)[:-2],
)


def mixed(events: Iterator[Fields], count: int, *, received: datetime, rng: random.Random) -> Iterator[bytes]:
    """Yield the payloads of `count` stream entries.

    Args:
        events: of the simulator, more than `count` of them, each once.
        count: how many, with duplicates and what is no event.
        received: when Redis gets all of them, which is what a client stamps that stamps.
        rng: seeded.
    """
    earlier: list[bytes] = []
    for event in events:
        if len(earlier) >= count:
            return
        if earlier and rng.random() < _DUPLICATES:
            back = _AT_ONCE if rng.random() < _RETRIED_AT_ONCE else len(earlier)
            payload = earlier[-rng.randint(1, min(back, len(earlier)))]
        else:
            payload = _shaped(_renamed(event), received, rng)
        earlier.append(payload)
        yield payload


def _shaped(event: Fields, received: datetime, rng: random.Random) -> bytes:
    if event["type"] != "play":
        return _sdk(event, received, rng)
    if rng.random() < _BAD:
        return rng.choice(_BAD_EVENTS)(event)
    (shape,) = rng.choices([*CLIENTS], [*CLIENTS.values()])
    return shape(event, received, rng)


def _renamed(event: Fields) -> Fields:
    number = int(event["user"].rpartition("-")[2])
    if number % _EVERY == 0:
        event = {**event, "user": f"{_LISTENERS[number // _EVERY % len(_LISTENERS)]}{number:03}"}
    if "song" not in event:
        return event
    song = {name: _translated(value, _ARTISTS) for name, value in event["song"].items()}
    return {**event, "song": {**song, "title": _translated(song["title"], _TITLES)}}


def _translated(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, str):
        for word, foreign in words.items():
            value = value.replace(word, foreign)
    return value


# --- The clients ------------------------------------------------------------------------------------


def _sdk(event: Fields, received: datetime, rng: random.Random) -> bytes:
    """`worker.client`: a UUIDv7 of the moment of the play, and the stamp of the sender."""
    made_ms = int(datetime.fromisoformat(event["time"]).timestamp() * 1000)
    v7 = UUID(int=made_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))
    sent = {name: value for name, value in event.items() if name != "id"}
    return encode({**sent, "v": 1, "id": str(v7), "sent_at": received.isoformat()})


def _listenbrainz(event: Fields, received: datetime, rng: random.Random) -> bytes:
    """A listen of Navidrome with MBIDs, as `worker.http` writes it: without an id."""
    del rng
    song, at = event["song"], datetime.fromisoformat(event["time"])
    info = {
        "media_player": "Navidrome",
        "submission_client": "Navidrome",
        "submission_client_version": "0.55.2",
        "artist_names": [song["artist"]],
        "recording_mbid": _mbid(song["title"], song["artist"]),
        "artist_mbids": [_mbid(song["artist"])],
        "release_mbid": _mbid(song["album"]),
        "release_group_mbid": _mbid("group", song["album"]),
        "duration_ms": song["duration_ms"],
        "tracknumber": song["duration_ms"] % 12 + 1,
    }
    meta = {
        "artist_name": song["artist"],
        "track_name": song["title"],
        "release_name": song["album"],
        "additional_info": info,
    }
    listen = {"listened_at": int(at.timestamp()), "track_metadata": meta}
    body = json.dumps({"listen_type": "single", "payload": [listen]}, ensure_ascii=False).encode()
    (item,) = submission_of(body, user=event["user"], now=received).items
    return item.payload


def _mbid(*names: str) -> str:
    return str(uuid5(_MBIDS, "/".join(names)))


def _spotify(event: Fields, received: datetime, rng: random.Random) -> bytes:
    """A row of the extended history, as `zik import` writes it: without an id, with seven facts of its context."""
    del received
    song, ended = event["song"], datetime.fromisoformat(event["time"]) + timedelta(milliseconds=event["ms_played"])
    is_skipped = event["ms_played"] < song["duration_ms"]
    row = {
        "ts": ended.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "ms_played": event["ms_played"],
        "master_metadata_track_name": song["title"],
        "master_metadata_album_artist_name": song["artist"],
        "master_metadata_album_album_name": song["album"],
        "spotify_track_uri": f"spotify:track:{UUID(_mbid(song['title'], song['artist'])).hex[:22]}",
        "platform": rng.choice(("android", "ios", "linux")),
        "shuffle": rng.random() < 0.5,  # noqa: PLR2004 -- half of them
        "skipped": is_skipped,
        "offline": False,
        "incognito_mode": False,
        "reason_start": "fwdbtn" if is_skipped else "trackdone",
        "reason_end": "fwdbtn" if is_skipped else "trackdone",
    }
    (play,) = _EXTENDED.convert(row, Notes())
    context = {**play["context"], IMPORT: "3f9c1b7a"}
    return encode({**play, "context": context, "v": 1, "user": event["user"], "source": "spotify-export"})


def _foreign(event: Fields, received: datetime, rng: random.Random) -> bytes:
    """A program of somebody else, which follows docs/events.md: a random UUID, and the fields that it knows."""
    del received
    song = {name: value for name, value in event["song"].items() if name != "duration_ms"}
    return encode({**event, "id": str(UUID(int=rng.getrandbits(128), version=4)), "song": song})


def _raw(event: Fields, received: datetime, rng: random.Random) -> bytes:
    """A shell script with XADD: the least play."""
    del received, rng
    song = {"title": event["song"]["title"], "artist": event["song"]["artist"]}
    at = datetime.fromisoformat(event["time"]).astimezone(UTC)
    time = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return encode({"type": "play", "time": time, "user": event["user"], "song": song})


# How many of a hundred plays.
CLIENTS: Final[dict[Shaped, int]] = {_listenbrainz: 40, _sdk: 25, _spotify: 20, _foreign: 10, _raw: 5}
