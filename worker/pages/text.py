"""Show names that anyone may have sent: short enough for a list, and never empty to the eye."""

from typing import Any, Final
from unicodedata import category

from worker.escaping import printable

# Fifty plays of the longest names, each character escaped, still make a page of 60 kB.
MOST_IN_LIST: Final = 70
_BLANK: Final = "(blank)"
# They are letters, symbols and punctuation by category, and show nothing.
_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_VISIBLE: Final = frozenset("LNPS")


def shown(text: str) -> str:
    r"""The text on one line; a word in its place if there is nothing to see.

    >>> shown("Parabola"), shown("\u3164\u200d")
    ('Parabola', '(blank)')
    """
    if not any(category(char)[0] in _VISIBLE and char not in _INVISIBLE for char in text):
        return _BLANK
    return printable(text)


def short(text: str) -> str:
    """The text as in a list: cut where it is longer than most names are."""
    whole = shown(text)
    return whole if len(whole) <= MOST_IN_LIST else f"{whole[: MOST_IN_LIST - 1]}\N{HORIZONTAL ELLIPSIS}"


def finalized(value: Any) -> Any:
    """Escape control characters, which HTML does not allow. Values with `__html__` are trusted markup."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
