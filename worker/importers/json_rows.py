"""Read a JSON file one row at a time, in bounded memory however long or deep it is."""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

import ijson
from ijson.common import ObjectBuilder

from worker.errors import Reason, RowTooLargeError
from worker.importers.bounded_file import BoundedFile
from worker.importers.lines import numbered_lines
from worker.importers.rows import BROKEN_FILE, Converter, LeftOut, Notes, Reader, Refusal, Row, convert_row

# Real exports nest 8 deep. The paths that the parser keeps grow with the square of the depth.
MAX_DEPTH: Final = 64
_NESTING: Final = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}


class TooDeepError(ValueError):
    """The file is nested deeper than any export."""


def document_reader(prefix: str, convert: Converter, *, keys: Iterable[str] = ()) -> Reader:
    """A reader of the objects at `prefix`, such as `scrobbles.item`, in one or more JSON documents.

    Args:
        prefix: a key `*` stands for any key.
        convert: makes events of an object.
        keys: an object with none of these is of another kind, and left out.
    """
    known = frozenset(keys)

    def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
        bounded = BoundedFile(file)
        number = 0
        try:
            for number, row in enumerate(_items(bounded, prefix), start=1):
                bounded.row_ended()
                if known and isinstance(row, dict) and known.isdisjoint(row):
                    yield LeftOut(f"row {number}", "other row")
                else:
                    yield from convert_row(f"row {number}", row, convert, notes)
        except (ijson.JSONError, TooDeepError, UnicodeDecodeError, RowTooLargeError) as error:
            yield Refusal(f"after row {number}", BROKEN_FILE, f"the rest is not read: {_first_line(error)}")

    return read


def lines_reader(convert: Converter) -> Reader:
    """A reader of JSON Lines."""

    def read(file: BinaryIO, notes: Notes) -> Iterator[Row]:
        for number, line in numbered_lines(file):
            place = f"line {number}"
            if isinstance(line, Refusal):
                yield line
                continue
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                yield Refusal(place, Reason.INVALID_JSON, "must be one JSON object")
            else:
                yield from convert_row(place, row, convert, notes)

    return read


def key_paths(head: bytes) -> dict[str, Any]:
    """The paths of the keys in a JSON file's head, such as `item.artist.#text`, with the first value of each."""
    paths: dict[str, Any] = {}
    try:
        for prefix, kind, value in ijson.parse(_limit_depth(_parse(io.BytesIO(head)))):
            if kind == "map_key":
                paths.setdefault(f"{prefix}.{value}" if prefix else value, None)
            elif paths.get(prefix, ...) is None:
                paths[prefix] = value
    except (ijson.JSONError, TooDeepError, UnicodeDecodeError):
        pass  # A head ends in the middle of a document.
    return paths


def _items(file: BoundedFile, prefix: str) -> Iterator[Any]:
    events = ijson.parse(_limit_depth(_parse(file)))
    if "*" in prefix:
        return _items_at_any(events, prefix.split("."))
    items: Callable[..., Iterator[Any]] = ijson.items
    return items(events, prefix)


def _items_at_any(events: Iterator[tuple[str, str, Any]], pattern: list[str]) -> Iterator[Any]:
    """The objects at a prefix of which a part may be any key."""
    for prefix, kind, value in events:
        if kind != "start_map" or not _fits(prefix.split("."), pattern):
            continue
        builder = ObjectBuilder()
        builder.event(kind, value)
        for place, nested_kind, nested in events:
            builder.event(nested_kind, nested)
            if (place, nested_kind) == (prefix, "end_map"):
                break
        yield builder.value


def _fits(prefix: list[str], pattern: list[str]) -> bool:
    return len(prefix) == len(pattern) and all(part in {"*", key} for key, part in zip(prefix, pattern, strict=True))


def _parse(file: Any) -> Iterable[tuple[str, Any]]:
    # Some tools write the pages of an API one after another into one file.
    events: Iterable[tuple[str, Any]] = ijson.basic_parse(file, use_float=True, multiple_values=True)
    return events


def _limit_depth(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    depth = 0
    for event in events:
        if event[0] in _NESTING:
            depth += _NESTING[event[0]]
            if depth > MAX_DEPTH:
                raise TooDeepError(f"nested deeper than {MAX_DEPTH}")
        yield event


def _first_line(error: Exception) -> str:
    """The parser's message. Its further lines quote the file, and so listening data."""
    argument = error.args[0] if error.args else ""
    text = argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)
    return text.strip().partition("\n")[0]
