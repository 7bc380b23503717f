"""Escape the characters that could control a terminal, or split or forge a line."""

from typing import Final
from unicodedata import category

# Zero-width non-joiner and joiner: Persian spelling needs the first, and many emoji the second.
JOINERS: Final = "\u200c\u200d"
# Controls, lone surrogates, separators of lines and paragraphs, and format characters, which act on their neighbours.
_STEERING: Final = {"Cc", "Cs", "Zl", "Zp", "Cf"}
_PLANE: Final = 0x10000


def steers(char: str) -> bool:
    """Whether the character can control a terminal, begin a line, or hide or reorder text.

    All format characters can, except the joiners: bidi controls, invisible marks such as soft hyphens, zero-width
    spaces and byte order marks, and tags, which can hide a second text. Unassigned and private characters cannot: in an
    older Python the emoji of last year are unassigned.
    """
    return category(char) in _STEERING and char not in JOINERS


def printable(text: str) -> str:
    r"""The text on one line; characters that would control a terminal or split a log line are escaped.

    A text that contains such an escape literally looks the same. JSON distinguishes the two.

    >>> printable("Audrey\u00a0Hannah\x1b[2J\U000e0041")
    'Audrey\xa0Hannah\\u001b[2J\\U000e0041'
    """
    return "".join(_escape(char) if steers(char) else char for char in text)


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < _PLANE else f"\\U{ord(char):08x}"
