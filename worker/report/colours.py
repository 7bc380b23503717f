"""Colours of artists, and tiles in place of covers: both follow from the name, so that they are the same every time."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from worker.contract.identity import loose_title

# Twelve hues of equal lightness. On white the light ones, on black the dark ones have a contrast of at least 4.5 to 1.
LIGHT: Final = (
    "#c13c3b", "#1570d1", "#05893e", "#904eba", "#9c640d", "#118186",
    "#b23e88", "#687c02", "#6260d1", "#b74c05", "#127ca3", "#11846e",
)  # fmt: skip
DARK: Final = (
    "#fd968f", "#87bafd", "#6fd087", "#d39dfa", "#f0a646", "#17d0d8",
    "#f691cc", "#acc455", "#a9b0fd", "#fe9a6c", "#43c7fd", "#28d4b2",
)  # fmt: skip
# The same hues for a whole poster with white text.
DEEP: Final = (
    "#460a0b", "#00234c", "#012d10", "#311344", "#351e01", "#052a2c",
    "#400b2e", "#202801", "#1d1b4e", "#3e1602", "#022837", "#052b23",
)  # fmt: skip
_COLOURS: Final = len(LIGHT)
_HALF: Final = 2


def colour_of(name: str) -> int:
    """The number of a name's colour."""
    return _digest(name)[0] % _COLOURS


def colours_of(artists: Iterable[str]) -> Mapping[str, int]:
    """A colour for each artist, by canonical name. The most frequent ones get their own, as long as there are any."""
    taken: dict[str, int] = {}
    for artist, _ in Counter(map(loose_title, artists)).most_common():
        wanted = colour_of(artist)
        free = [(wanted + step) % _COLOURS for step in range(_COLOURS)]
        taken[artist] = next((colour for colour in free if colour not in taken.values()), wanted)
    return taken


def tile_path(name: str) -> str:
    """The pattern of a tile of 4 by 4 units: in each quarter a quarter of a disc, a disc, or a bar."""
    digest = _digest(name)
    corners = ((0, 0), (_HALF, 0), (0, _HALF), (_HALF, _HALF))
    return "".join(_shape(digest[number] % 6, x, y) for number, (x, y) in enumerate(corners, start=1))


def _shape(kind: int, x: int, y: int) -> str:
    right, low = x + _HALF, y + _HALF
    return (
        f"M{x} {y}h2a2 2 0 0 1-2 2",
        f"M{right} {y}v2a2 2 0 0 1-2-2",
        f"M{right} {low}h-2a2 2 0 0 1 2-2",
        f"M{x} {low}v-2a2 2 0 0 1 2 2",
        f"M{x or ''}.3 {y + 1}a.7.7 0 0 0 1.4 0 .7.7 0 0 0-1.4 0",
        f"M{x} {y or ''}.7h2v.6h-2",
    )[kind]


def _digest(name: str) -> bytes:
    return hashlib.blake2b(loose_title(name).encode(errors="replace"), digest_size=8).digest()
