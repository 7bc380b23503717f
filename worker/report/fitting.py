"""Fit text into a width without knowing the font: by the widest letters of a bold sans serif."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import combining, east_asian_width

_WIDE: Final = 1.05
_UPPER: Final = 0.82
_LOWER: Final = 0.7
_NARROW: Final = 0.42
_SLIM: Final = frozenset(" ilj.,:;'|!I()[]")
_JOINERS: Final = "\u200c\u200d\ufe0f"
_DOTS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Fitted:
    """Lines of text in a font size that keeps them within the width."""

    lines: Sequence[str]
    size: int


def fit(text: str, width: float, *, sizes: Sequence[int], most: int) -> Fitted:
    """The largest of `sizes` at which the text has at most `most` lines. At the last size the rest becomes dots."""
    for size in sizes[:-1]:
        lines = list(_lines(text, width / size))
        if len(lines) <= most and all(width_of(line) * size <= width for line in lines):
            return Fitted(lines, size)
    return Fitted(_cut(text, width / sizes[-1], most), sizes[-1])


def width_of(text: str) -> float:
    """An upper estimate, in units of the font size."""
    return sum(map(_width, text))


def _width(char: str) -> float:
    if combining(char) or char in _JOINERS:
        return 0
    if east_asian_width(char) in "WF":
        return _WIDE
    if char in _SLIM:
        return _NARROW
    return _UPPER if char.isupper() or char in "mwMW" else _LOWER


def _lines(text: str, width: float) -> Iterator[str]:
    """Words as they fit. A word that is too long has a line of its own."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width_of(longer) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def _cut(text: str, width: float, most: int) -> Sequence[str]:
    """At most so many lines, broken between any two letters where words are too long."""
    lines = [piece for line in _lines(text, width) for piece in _pieces(line, width)]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and width_of(last + _DOTS) > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + _DOTS]


def _pieces(line: str, width: float) -> Iterator[str]:
    piece, used = "", 0.0
    for char in line:
        if piece and used + _width(char) > width:
            yield piece
            piece, used = "", 0.0
        piece, used = piece + char, used + _width(char)
    if piece:
        yield piece
