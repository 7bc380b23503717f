"""Why something was not recorded, in sentences: one for each code, here and in the documentation."""

import re
from pathlib import Path

import pytest

from worker.errors import Reason
from worker.importers.rows import BROKEN_FILE, NO_ROWS, UNKNOWN_SONG
from worker.pages.reasons import sentence

EVENTS = Path(__file__).parents[2] / "docs" / "events.md"
CODES = [*Reason, BROKEN_FILE, NO_ROWS, UNKNOWN_SONG]


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_a_sentence(code: str) -> None:
    assert sentence(code) != sentence("a code of a later release")
    assert re.fullmatch(r"[^_]+\.", sentence(code))


def test_no_two_codes_have_the_same_sentence() -> None:
    assert len({sentence(code) for code in CODES}) == len(CODES)


def test_the_documentation_has_each_code() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", EVENTS.read_text(), re.MULTILINE)) >= set(Reason)


def test_the_field_makes_a_sentence_exact() -> None:
    assert sentence("missing_field", "time: Field required") == "The player did not say when it was played."
    assert sentence("missing_field", "user: Field required") == sentence("missing_field")
