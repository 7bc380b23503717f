"""Simulate listeners: seeded events that are distributed like real ones, for the demo and the benchmarks."""

import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

_ADJECTIVES: Final = (
    "Amber",
    "Broken",
    "Cobalt",
    "Distant",
    "Electric",
    "Foreign",
    "Golden",
    "Hollow",
    "Ivory",
    "Quiet",
)
_NOUNS: Final = (
    "Arcade",
    "Birds",
    "Cathedral",
    "Engines",
    "Foxes",
    "Harbour",
    "Lanterns",
    "Mirrors",
    "Rivers",
    "Wolves",
)
_VERBS: Final = ("Burning", "Calling", "Chasing", "Counting", "Dreaming", "Falling", "Leaving", "Missing", "Painting")
_THINGS: Final = ("Atlas", "Daylight", "Echoes", "Fever", "Gravity", "Letters", "Midnight", "Rain", "Signals", "Winter")
_PLAYERS: Final = ("mpd/0.23.14", "zik-web/2.1", "car/1.0", "phone/5.4.2")

DAYS: Final = 90
_FAVORITE_SHARE: Final = 0.03
_PREFERENCE_SHARE: Final = 0.01
_REPEATED_SHARE: Final = 0.01
_COMPLETE_SHARE: Final = 0.7
_LIKED_SHARE: Final = 0.8


def simulate(
    count: int, *, until: datetime, seed: int = 1, users: int = 200, songs: int = 3_000
) -> Iterator[dict[str, Any]]:
    """Yield `count` events of the `DAYS` days before `until`, oldest first.

    A few songs and users have most of the plays (Zipf's law), some songs are skipped, and one event in a hundred is
    repeated with the same id, as after a network fault.
    """
    rng = random.Random(seed)  # noqa: S311 -- Repeatable, not secret.
    catalogue = [_song(number) for number in range(songs)]
    song_weights, user_weights = _zipf(songs), _zipf(users)
    step = timedelta(days=DAYS) / max(1, count)
    event: dict[str, Any] | None = None
    for number in range(count):
        if event is None or rng.random() >= _REPEATED_SHARE:
            (listener,) = rng.choices(range(users), cum_weights=user_weights)
            (song,) = rng.choices(catalogue, cum_weights=song_weights)
            at = until - timedelta(days=DAYS) + number * step
            event = {
                "v": 1,
                "id": str(UUID(int=rng.getrandbits(128), version=4)),
                "time": at.astimezone(_timezone_of(listener)).isoformat(timespec="milliseconds"),
                "user": f"listener-{listener:03}",
                "source": rng.choice(_PLAYERS),
                **_content(rng, song),
            }
        yield event


def _content(rng: random.Random, song: dict[str, Any]) -> dict[str, Any]:
    """The fields of a play, or rarely of a favorite or a preference."""
    dice = rng.random()
    if dice < _PREFERENCE_SHARE:
        return {"type": "preference", "key": "mood", "value": {"now": rng.choice(("calm", "loud", "blue"))}}
    if dice < _PREFERENCE_SHARE + _FAVORITE_SHARE:
        named_song = {"title": song["title"], "artist": song["artist"]}
        return {"type": "favorite", "song": named_song, "favorite": rng.random() < _LIKED_SHARE}
    is_complete = rng.random() < _COMPLETE_SHARE
    ms_played = song["duration_ms"] if is_complete else rng.randrange(song["duration_ms"])
    return {"type": "play", "song": song, "ms_played": ms_played}


def _song(number: int) -> dict[str, Any]:
    """The song of this number, the same on every call."""
    rng = random.Random(number)  # noqa: S311 -- Repeatable, not secret.
    artist = f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    part, verse = divmod(number, len(_VERBS) * len(_THINGS))
    # 9 verbs and 10 things have no common divisor, so stepping through both yields every pair once.
    title = f"{_VERBS[verse % len(_VERBS)]} {_THINGS[verse % len(_THINGS)]}"
    return {
        "title": f"{title}, Part {part + 1}" if part else title,
        "artist": artist,
        "album": f"{artist} {1 + number % 4}",
        "duration_ms": rng.randrange(120_000, 420_000),
    }


def _timezone_of(listener: int) -> timezone:
    return timezone(timedelta(hours=listener % 5 - 1))


def _zipf(count: int) -> list[float]:
    """Cumulative sums of 1, 1/2, 1/3 and so on."""
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))
