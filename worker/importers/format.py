"""Recognise a format by a file's content. Names are ignored, because users rename files."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from worker.importers.csv_rows import Header, csv_reader, headers
from worker.importers.json_rows import document_reader, key_paths, lines_reader
from worker.importers.rows import Converter, Reader


class ReadOrder(IntEnum):
    """The order in which the files of one archive are read, because some refer to others."""

    ACCOUNT = 0  # names the user; has no events
    FEEDBACK = 1  # names loved songs by an id that the listens explain
    LISTENS = 2


class Head:
    """The beginning of a file, in the views that formats need."""

    def __init__(self, head: bytes) -> None:
        self.bytes = head.removeprefix(b"\xef\xbb\xbf")

    @cached_property
    def paths(self) -> dict[str, Any]:
        """The paths of a JSON file's keys, with the first value of each; empty for another file."""
        return key_paths(self.bytes) if self.bytes.lstrip()[:1] in {b"[", b"{"} else {}

    def prefixes_of(self, key: str) -> Iterator[str]:
        """Where arrays of objects with this key stand in a JSON file. Their own key may be any, so it becomes `*`."""
        for path in self.paths:
            above = path.removesuffix(f".{key}")
            if above != path and above.endswith(".item"):
                *outer, _, item = above.split(".")
                yield ".".join((*outer, "*", item))

    @cached_property
    def text(self) -> str:
        """Empty for JSON."""
        return "" if self.paths else self.bytes.decode(errors="replace")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def headers(self) -> list[Header]:
        """What may be the header of a table."""
        return headers(self.text)


class Recognised(NamedTuple):
    """A file of a known format.

    Attributes:
        source: the `source` of its events.
        user: the user's name, if the file has it.
        needs_timezone: its times are local ones.
    """

    format: str
    source: str
    read: Reader
    user: str | None = None
    order: ReadOrder = ReadOrder.LISTENS
    needs_timezone: bool = False


class Format(Protocol):
    """`name` and `looks_like`, by which a file is recognised, are shown to users."""

    @property
    def name(self) -> str: ...

    @property
    def looks_like(self) -> str: ...

    def recognise(self, head: Head) -> Recognised | None: ...


@dataclass(frozen=True, kw_only=True)
class JsonFormat:
    """A format of JSON objects that have certain keys. Listens may also stand in an array under any other key.

    Attributes:
        prefixes: where the objects may stand, such as `scrobbles.item`; "" for JSON Lines.
        keys: paths within the object. The beginning of the file must have all of them.
        user: paths within the file where the user's name may stand.
    """

    name: str
    source: str
    prefixes: tuple[str, ...]
    keys: tuple[str, ...]
    convert: Converter
    user: tuple[str, ...] = ()
    order: ReadOrder = ReadOrder.LISTENS

    @property
    def looks_like(self) -> str:
        return f"JSON objects with {', '.join(self.keys)}"

    def recognise(self, head: Head) -> Recognised | None:
        for prefix in self.prefixes:
            if all(_joined(prefix, key) in head.paths for key in self.keys):
                read = document_reader(prefix, self.convert) if prefix else lines_reader(self.convert)
                return self._recognised(head, read)
        if self.order is ReadOrder.ACCOUNT:
            return None
        first, *others = self.keys
        for prefix in head.prefixes_of(first):
            if all(prefix in head.prefixes_of(key) for key in others):
                top_keys = {key.partition(".")[0] for key in self.keys}
                return self._recognised(head, document_reader(prefix, self.convert, keys=top_keys))
        return None

    def _recognised(self, head: Head, read: Reader) -> Recognised:
        names = (_name(head.paths.get(path)) for path in self.user)
        return Recognised(self.name, self.source, read, next(filter(None, names), None), self.order)


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """A format of tables with certain columns, spelled as the service writes them."""

    name: str
    source: str
    columns: tuple[str, ...]
    convert: Converter

    @property
    def looks_like(self) -> str:
        return f"a table with {', '.join(self.columns)}"

    def recognise(self, head: Head) -> Recognised | None:
        for header in head.headers:
            if set(self.columns) <= set(header.names):
                required = 1 + max(header.names.index(column) for column in self.columns)
                return Recognised(self.name, self.source, csv_reader(header, self.convert, required=required))
        return None


def _joined(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def _name(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) else None
