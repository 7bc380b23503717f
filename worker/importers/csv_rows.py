"""Read a table one row at a time, by the standard library's reader: quoted newlines, and any lines above the header."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from worker.errors import Reason
from worker.importers.lines import MAX_LINE_CHARACTERS, Line, numbered_lines
from worker.importers.rows import Converter, Notes, Reader, Refusal, Row, convert_row

DELIMITERS: Final = (",", ";", "\t")
# Libre.fm writes three lines above the header; people and spreadsheets add a few.
MAX_LINES_ABOVE: Final = 30
# More lines than that are no value with newlines, but a quote that nobody closed.
_MAX_LINES_OF_ROW: Final = 16
# Excel's own way to say how the cells are separated.
_SEPARATOR: Final = re.compile(r'"?sep=([^\s"]|\t)')
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class Header(NamedTuple):
    """Where the rows of a table begin, and their columns.

    Attributes:
        line: the number of the line with the names; 0 for a table without one.
        names: as written, but trimmed.
        user: lastfmstats.com adds the user to the last name: `Date#ada`.
    """

    line: int
    delimiter: str
    names: tuple[str, ...]
    user: str | None = None


def headers(text: str) -> list[Header]:
    """Every reading of the first lines as a header, by any delimiter."""
    found = []
    told = _SEPARATOR.match(text)
    delimiters = (told[1],) if told else DELIMITERS
    for number, line in enumerate(_LINE_END.split(text)[:MAX_LINES_ABOVE], start=1):
        for delimiter in delimiters:
            if delimiter in line and not line.startswith("#"):
                names, _, user = line.partition("#")
                cells = tuple(cell.strip() for cell in _cells_of_line(names, delimiter))
                found.append(Header(number, delimiter, cells, user.strip(' "') or None))
    return found


def first_rows(text: str) -> list[list[str]]:
    """The first lines as rows separated by commas, for a table without a header."""
    return [_cells_of_line(line, ",") for line in _LINE_END.split(text)[:MAX_LINES_ABOVE]]


def csv_reader(header: Header, convert: Converter, *, required: int) -> Reader:
    """A reader of the rows under a header, which become dictionaries by its names.

    Args:
        header: the first of columns with the same name counts.
        convert: makes events of a row.
        required: how many cells a row has at least.
    """
    # Of columns with the same name the first counts, so the others get names that no column has.
    names = [name if name not in header.names[:place] else f"\n{place}" for place, name in enumerate(header.names)]

    def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
        for place, cells in _rows(file, header):
            if isinstance(cells, Refusal):
                yield cells
            elif len(cells) < required:
                yield Refusal(place, Reason.INVALID_VALUE, "has fewer columns than the header, or an unclosed quote")
            else:
                yield from convert_row(place, dict(zip(names, cells, strict=False)), convert, notes)

    return read


def _rows(file: BinaryIO, header: Header) -> Iterator[tuple[str, list[str] | Refusal]]:
    lines = _Lines(islice(numbered_lines(file), header.line, None))
    while line := lines.take():
        number, text = line
        place = f"line {number}"
        if isinstance(text, Refusal):
            yield place, text
        elif '"' in text:
            yield place, _quoted(text, lines, header)
        elif text and not text.isspace() and not (header.line == 0 and text.startswith("#")):
            # The standard library would give the same for a row without quotes, in thrice the time.
            yield place, text.split(header.delimiter)


class _Lines:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterator[tuple[int, Line]]) -> None:
        self._lines = lines
        self._seen: deque[tuple[int, Line]] = deque()

    def take(self) -> tuple[int, Line] | None:
        return self._seen.popleft() if self._seen else next(self._lines, None)

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.take()

    def ahead(self, characters: int) -> Iterator[str]:
        """The next lines, with their ends, as far as they are valid and have together so many characters."""
        for place in range(_MAX_LINES_OF_ROW):
            if place == len(self._seen):
                if (line := next(self._lines, None)) is None:
                    return
                self._seen.append(line)
            text = self._seen[place][1]
            if isinstance(text, Refusal) or (characters := characters - len(text)) < 0:
                return
            yield f"{text}\n"


def _quoted(text: str, lines: _Lines, header: Header) -> list[str]:
    """The cells of a row that has quotes, and with them perhaps newlines.

    A quote that is never closed, or closed in the wrong place, costs its own line, not the rows after it.
    """
    try:
        return next(csv.reader([text], delimiter=header.delimiter, strict=True))
    except csv.Error:
        return _quoted_over_lines(text, lines, header)


def _quoted_over_lines(text: str, lines: _Lines, header: Header) -> list[str]:
    def of_row() -> Iterator[str]:
        yield f"{text}\n"
        yield from lines.ahead(MAX_LINE_CHARACTERS - len(text))

    reader = csv.reader(of_row(), delimiter=header.delimiter, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return _cells_of_line(text, header.delimiter)
    more_lines = reader.line_num - 1
    if more_lines and len(cells) != len(header.names):
        return _cells_of_line(text, header.delimiter)
    lines.skip(more_lines)
    return cells


def _cells_of_line(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []
