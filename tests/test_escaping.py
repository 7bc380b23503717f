import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import CHEAP
from worker.escaping import printable, steers


@pytest.mark.parametrize(
    "text",
    [
        "Audrey\u00a0Hannah",
        "宇多田\u3000ヒカル",
        "\U0001f469\u200d\U0001f3a4",
        "می\u200cشود",
        "\U0001fae9 is younger than Python 3.11",
        "\uf8ff is private",
        "AC\\DC",
    ],
    ids=["no-break space", "ideographic space", "joined emoji", "non-joiner", "unassigned", "private", "backslash"],
)
def test_harmless_text_is_not_escaped(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("char", "escape"),
    [
        ("\0", r"\u0000"),
        ("\x1b", r"\u001b"),
        ("\x9b", r"\u009b"),
        ("\n", r"\u000a"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
        ("\u00ad", r"\u00ad"),
        ("\u200b", r"\u200b"),
        ("\ufeff", r"\ufeff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_characters_that_control_a_terminal_are_escaped(char: str, escape: str) -> None:
    assert printable(f"a{char}b") == f"a{escape}b"


@CHEAP
@given(text=st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"])))
def test_i26_any_text_is_escaped_to_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(map(steers, shown))


def test_every_control_character_and_line_break_is_escaped() -> None:
    left = {chr(code) for code in range(sys.maxunicode + 1) if not steers(chr(code))}
    assert {category(char) for char in left}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert [char for char in left if len(f"a{char}b".splitlines()) > 1] == []
    assert {char for char in left if category(char) == "Cf"} == {"\u200c", "\u200d"}
