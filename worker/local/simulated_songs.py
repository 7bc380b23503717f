"""The catalogue of the simulator: songs with invented names, in albums of invented artists."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

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
_ALBUMS: Final = 4
# Songs that everyone knows.
_HITS: Final = 60

Song = dict[str, Any]


class Catalogue:
    """Songs by artist and by album. `unheard` are the artists without a hit."""

    def __init__(self, songs: int) -> None:
        self.songs: Sequence[Song] = [_song(number) for number in range(songs)]
        self.hits = self.songs[:_HITS]
        self.of_artist: Mapping[str, list[Song]] = _grouped(self.songs, "artist")
        self.of_album: Mapping[str, list[Song]] = _grouped(self.songs, "album")
        self.artists = sorted(self.of_artist)
        known = {song["artist"] for song in self.hits}
        self.unheard = [artist for artist in self.artists if artist not in known]


def _grouped(songs: Sequence[Song], key: str) -> Mapping[str, list[Song]]:
    groups = defaultdict[str, list[Song]](list)
    for song in songs:
        groups[song[key]].append(song)
    return groups


def _song(number: int) -> Song:
    """The song of this number, the same on every call."""
    rng = random.Random(number)  # noqa: S311 -- Repeatable, not secret.
    artist = f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    part, verse = divmod(number, len(_VERBS) * len(_THINGS))
    # 9 verbs and 10 things have no common divisor, so stepping through both yields every pair once.
    title = f"{_VERBS[verse % len(_VERBS)]} {_THINGS[verse % len(_THINGS)]}"
    return {
        "title": f"{title}, Part {part + 1}" if part else title,
        "artist": artist,
        "album": f"{artist} {1 + number % _ALBUMS}",
        "duration_ms": rng.randrange(120_000, 420_000),
    }
