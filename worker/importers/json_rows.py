"""The rows of a JSON file, one at a time, however long the file is."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

import ijson

from worker.errors import Reason, RowTooLargeError
from worker.importers.bounded_file import MAX_LINE_BYTES, MeteredFile
from worker.importers.rows import BROKEN_FILE, Converter, Notes, Reader, Refusal, Row, converted

# Events of the wild nest 8 deep. Without a bound the parser's paths grow with the square of the depth.
MAX_DEPTH: Final = 64


class TooDeepError(ValueError):
    """Nested deeper than any export is."""


def in_document(prefix: str, convert: Converter) -> Reader:
    """A reader of the objects at `prefix`, as in `scrobbles.item`, of one or more JSON documents."""

    def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
        metered = MeteredFile(file)
        number = 0
        try:
            for number, row in enumerate(_items(metered, prefix), start=1):
                metered.row_ended()
                yield from converted(f"row {number}", row, convert, notes)
        except (ijson.JSONError, TooDeepError, UnicodeDecodeError, RowTooLargeError) as error:
            yield Refusal(f"after row {number}", BROKEN_FILE, f"what follows is not read: {_first_line(error)}")

    return read


def in_lines(convert: Converter) -> Reader:
    """A reader of JSON Lines."""

    def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
        for number, line in numbered_lines(file):
            place = f"line {number}"
            try:
                row = json.loads(line)
            except UnicodeDecodeError:
                yield Refusal(place, Reason.BAD_ENCODING, "must be UTF-8")
            except (ValueError, RecursionError):
                yield Refusal(place, Reason.INVALID_JSON, "must be one JSON object")
            else:
                yield from converted(place, row, convert, notes)

    return read


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1. One that is too long comes cut off, and is no row."""
    metered = MeteredFile(file)
    number = 0
    while line := metered.readline():
        number += 1
        if line.strip():
            yield number, line.rstrip(b"\r\n") if len(line) < MAX_LINE_BYTES else b'"too long'


def paths_of(head: bytes) -> dict[str, Any]:
    """The keys of a JSON file's beginning by their paths, as in `item.artist.#text`, with the first value of each."""
    paths: dict[str, Any] = {}
    try:
        for prefix, kind, value in ijson.parse(_shallow(_parsed(io.BytesIO(head)))):
            if kind == "map_key":
                paths.setdefault(f"{prefix}.{value}" if prefix else value, None)
            elif paths.get(prefix, ...) is None:
                paths[prefix] = value
    except (ijson.JSONError, TooDeepError, UnicodeDecodeError):
        pass  # A beginning ends in the middle of something.
    return paths


def _items(file: MeteredFile, prefix: str) -> Iterator[Any]:
    items: Callable[..., Iterator[Any]] = ijson.items
    return items(ijson.parse(_shallow(_parsed(file))), prefix)


def _parsed(file: Any) -> Iterable[tuple[str, Any]]:
    # Several documents in one file are pages that somebody has put together.
    events: Iterable[tuple[str, Any]] = ijson.basic_parse(file, use_float=True, multiple_values=True)
    return events


def _shallow(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    depth = 0
    for event in events:
        if event[0] in {"start_map", "start_array"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise TooDeepError(f"nested deeper than {MAX_DEPTH}")
        elif event[0] in {"end_map", "end_array"}:
            depth -= 1
        yield event


def _first_line(error: Exception) -> str:
    """What is wrong. The parser's further lines quote the file, and with it what somebody listens to."""
    argument = error.args[0] if error.args else ""
    text = argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)
    return text.strip().partition("\n")[0]
