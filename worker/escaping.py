from typing import Final
from unicodedata import category

# Zero-width non-joiner and joiner: Persian is spelled with the one, and many an emoji made with the other.
JOINERS: Final = "\u200c\u200d"
# Controls, lone surrogates, separators of lines and paragraphs, and what is there to act on its neighbours.
_STEERING: Final = {"Cc", "Cs", "Zl", "Zp", "Cf"}
_PLANE: Final = 0x10000


def steers(char: str) -> bool:
    """Whether a terminal may obey the character, or it begins a line, or hides or reorders text.

    Of the format characters only the joiners do not: the others are bidi controls, invisible marks such as soft
    hyphens, zero-width spaces and byte order marks, and tags, in which a second text can hide. Whatever has no meaning
    yet, or a private one, stays: to an older Python the emoji of last year are unassigned.
    """
    return category(char) in _STEERING and char not in JOINERS


def printable(text: str) -> str:
    r"""The text on one line, with what would steer a terminal or split a log line written as an escape.

    A text that has such an escape in its own letters looks the same here. JSON tells them apart.

    >>> printable("Audrey\u00a0Hannah\x1b[2J\U000e0041")
    'Audrey\xa0Hannah\\u001b[2J\\U000e0041'
    """
    return "".join(_escape(char) if steers(char) else char for char in text)


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < _PLANE else f"\\U{ord(char):08x}"
