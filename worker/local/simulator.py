"""Listeners who do not exist: seeded events with the shape of real ones, for the demo and the benchmarks."""

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
_FAVORITES: Final = 0.03
_PREFERENCES: Final = 0.01
_SENT_TWICE: Final = 0.01
_HEARD_OUT: Final = 0.7
_LIKED: Final = 0.8


def simulate(
    count: int, *, until: datetime, seed: int = 1, users: int = 200, songs: int = 3_000
) -> Iterator[dict[str, Any]]:
    """Yield `count` events of the `DAYS` days before `until`, oldest first.

    A few songs and users make most of the plays (Zipf's law), some songs are skipped, and one event in a hundred is
    sent twice with the same id, as clients do whose network fails.
    """
    rng = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    catalogue = [_song(number) for number in range(songs)]
    song_weights, user_weights = _zipf(songs), _zipf(users)
    step = timedelta(days=DAYS) / max(1, count)
    event: dict[str, Any] | None = None
    for number in range(count):
        if event is None or rng.random() >= _SENT_TWICE:
            (listener,) = rng.choices(range(users), cum_weights=user_weights)
            (song,) = rng.choices(catalogue, cum_weights=song_weights)
            at = until - timedelta(days=DAYS) + number * step
            event = {
                "v": 1,
                "id": str(UUID(int=rng.getrandbits(128), version=4)),
                "time": at.astimezone(_home_of(listener)).isoformat(timespec="milliseconds"),
                "user": f"listener-{listener:03}",
                "source": rng.choice(_PLAYERS),
                **_told(rng, song),
            }
        yield event


def _told(rng: random.Random, song: dict[str, Any]) -> dict[str, Any]:
    """What the event is about: mostly a play."""
    dice = rng.random()
    if dice < _PREFERENCES:
        return {"type": "preference", "key": "mood", "value": {"now": rng.choice(("calm", "loud", "blue"))}}
    if dice < _PREFERENCES + _FAVORITES:
        named = {"title": song["title"], "artist": song["artist"]}
        return {"type": "favorite", "song": named, "favorite": rng.random() < _LIKED}
    full = rng.random() < _HEARD_OUT
    heard_ms = song["duration_ms"] if full else rng.randrange(song["duration_ms"])
    return {"type": "play", "song": song, "ms_played": heard_ms}


def _song(number: int) -> dict[str, Any]:
    """The song of this number: always the same one."""
    rng = random.Random(number)  # noqa: S311 -- repeatable, not secret
    artist = f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    part, verse = divmod(number, len(_VERBS) * len(_THINGS))
    # 9 verbs and 10 things have no common divisor, so that stepping through both meets every pair once.
    title = f"{_VERBS[verse % len(_VERBS)]} {_THINGS[verse % len(_THINGS)]}"
    return {
        "title": f"{title}, Part {part + 1}" if part else title,
        "artist": artist,
        "album": f"{artist} {1 + number % 4}",
        "duration_ms": rng.randrange(120_000, 420_000),
    }


def _home_of(listener: int) -> timezone:
    return timezone(timedelta(hours=listener % 5 - 1))


def _zipf(count: int) -> list[float]:
    """Cumulative weights: 1, 1/2, 1/3 and so on."""
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))
