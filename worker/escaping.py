"""Escape what could control a terminal, split or forge a line, or be computed by a spreadsheet."""

import re
from typing import Final
from unicodedata import category

# Zero-width non-joiner and joiner: Persian spelling needs the first, and many emoji the second.
JOINERS: Final = "\u200c\u200d"
# Controls, lone surrogates, separators of lines and paragraphs, and format characters, which act on their neighbours.
_STEERING: Final = {"Cc", "Cs", "Zl", "Zp", "Cf"}
_PLANE: Final = 0x10000
# The characters that begin a formula in a spreadsheet (https://owasp.org/www-community/attacks/CSV_Injection), in both
# widths, after blanks that it may drop.
_FORMULA: Final = re.compile(rf"[\s{JOINERS}]*[-=+@\uff0d\uff1d\uff0b\uff20]")


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
    # No printable text steers. This is ten times as fast, and nearly every name is printable.
    return text if text.isprintable() else "".join(_escape(char) if steers(char) else char for char in text)


def spreadsheet_cell(text: str) -> str:
    """Text on one line that no spreadsheet computes and no terminal obeys: after an apostrophe it is text.

    >>> spreadsheet_cell("+44"), spreadsheet_cell("'74")
    ("'+44", "'74")
    """
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) else text


def from_spreadsheet_cell(text: str) -> str:
    """Without the apostrophe of `spreadsheet_cell`.

    >>> from_spreadsheet_cell("'+44"), from_spreadsheet_cell("'74")
    ('+44', "'74")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text, 1) else text


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < _PLANE else f"\\U{ord(char):08x}"
