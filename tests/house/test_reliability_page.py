"""docs/reliability.md has a row for every bad input and fault, and each test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.bad_inputs import CORPUS
from tests.support.processes import ROOT

PAGE: Final = (ROOT / "docs" / "reliability.md").read_text()
BAD_INPUTS: Final = [f"I{number}" for number in range(1, 53)]
FAULTS: Final = [f"F{number}" for number in range(1, 38)]
# S7, what one client tells of a song that others hear, is not met yet.
SURROUNDINGS: Final = [f"S{number}" for number in range(1, 14) if number != 7]
# Words of the page for tests that prove many rows; each is explained there in bold.
SHARED: Final = ("corpus", "decoder", "strays", "points")


class Row(NamedTuple):
    code: str
    what: str
    outcome: str
    tests: str


class Reference(NamedTuple):
    """A test as the page names it: `folder/file::name`, or the beginning of names and `*`."""

    file: str
    name: str


ROWS: Final = [Row(*found) for found in re.findall(r"^\| ([IFS]\d+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)]


def references(text: str) -> list[Reference]:
    return [Reference(*found) for found in re.findall(r"([\w/]*\btest_\w+)(?:\.py)?::(\w*\*?)", text)]


@cache
def names_in(file: Path) -> list[str]:
    tree = ast.parse(file.read_text()) if file.exists() else ast.Module([], [])
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def exists(test: Reference) -> bool:
    names = names_in(ROOT / "tests" / f"{test.file}.py")
    if test.name.startswith("test_") and test.name.endswith("*"):
        return any(name.startswith(test.name[:-1]) for name in names)
    return test.name in names


def test_each_bad_input_and_each_fault_has_one_row() -> None:
    codes = [row.code for row in ROWS]
    assert sorted(codes) == sorted(BAD_INPUTS + FAULTS + SURROUNDINGS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_each_row_has_a_cause_an_outcome_and_a_test(row: Row) -> None:
    assert row.what.strip()
    assert row.outcome.strip()
    assert references(row.tests) or set(SHARED).intersection(re.findall(r"\w+", row.tests)), row.tests


@pytest.mark.parametrize("test", sorted(set(references(PAGE))), ids="::".join)
def test_a_test_that_the_page_names_exists(test: Reference) -> None:
    assert exists(test)


def test_every_test_on_the_page_is_named_with_its_file() -> None:
    """Only a name in backquotes with its file is checked above."""
    named = re.findall(r"\btest_\w+", re.sub(r"`[\w/]+(?:::\w+\*?|\.py)`", "", PAGE))
    assert named == []


@pytest.mark.parametrize("word", SHARED)
def test_a_word_for_a_test_of_many_rows_is_explained_by_tests(word: str) -> None:
    (explained,) = re.findall(rf"\*\*{word}\*\*(.+?)(?:\n\n|\n- )", PAGE, re.DOTALL)
    assert references(explained)


def test_each_row_that_cites_the_corpus_has_an_input_there() -> None:
    inputs = {code for case in CORPUS for code in codes_of(case.row)}
    cited = {row.code for row in ROWS if "corpus" in row.tests}
    assert cited <= inputs


def codes_of(row: str) -> set[str]:
    """The codes that a row of the corpus proves: `I23, I25-I27` are four."""
    found = re.findall(r"\b([IS])(\d+)(?:-[IS](\d+))?", row)
    return {f"{kind}{number}" for kind, first, last in found for number in range(int(first), int(last or first) + 1)}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:tests|worker)/[\w/]+\.\w+)`", PAGE))))
def test_a_file_that_the_page_names_exists(path: str) -> None:
    assert (ROOT / path).is_file()
