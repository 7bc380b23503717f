"""How a format is told from the others: by what a file holds, never by its name."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol

from worker.importers.json_rows import in_document, in_lines, paths_of
from worker.importers.rows import Converter, Reader

# Parts of one export are read in this order, because some explain others.
ACCOUNT: Final = 0  # whose export it is; has no events
FEEDBACK: Final = 1  # loves that name their songs by an id, which the listens explain
LISTENS: Final = 2


class Head:
    """A file's beginning, looked at in the ways that formats need."""

    def __init__(self, beginning: bytes) -> None:
        self.bytes = beginning.removeprefix(b"\xef\xbb\xbf")

    @cached_property
    def paths(self) -> dict[str, Any]:
        """For JSON: the paths of its keys, with the first value of each."""
        return paths_of(self.bytes) if self.bytes.lstrip()[:1] in {b"[", b"{"} else {}

    @cached_property
    def lines(self) -> list[str]:
        return self.bytes.decode(errors="replace").splitlines()


class Recognised(NamedTuple):
    """A file whose format is known.

    Attributes:
        source: the `source` of its events.
        user: whose it is, where the file says.
        rank: `ACCOUNT`, `FEEDBACK` or `LISTENS`.
    """

    format: str
    source: str
    read: Reader
    user: str | None = None
    rank: int = LISTENS
    needs_timezone: bool = False


class Format(Protocol):
    """`name` is for people, and so is `looks_like`: what a file of the format is recognised by."""

    @property
    def name(self) -> str: ...

    @property
    def looks_like(self) -> str: ...

    def recognise(self, head: Head) -> Recognised | None: ...


@dataclass(frozen=True, kw_only=True)
class JsonFormat:
    """A format of JSON objects that have certain keys.

    Attributes:
        prefixes: where the objects may stand, as in `scrobbles.item`; "" for JSON Lines.
        keys: paths within the object that the beginning of the file must show.
        user: paths within the file where the user's name may stand.
    """

    name: str
    source: str
    prefixes: tuple[str, ...]
    keys: tuple[str, ...]
    convert: Converter
    user: tuple[str, ...] = ()
    rank: int = LISTENS

    @property
    def looks_like(self) -> str:
        return f"JSON objects with {', '.join(self.keys)}"

    def recognise(self, head: Head) -> Recognised | None:
        for prefix in self.prefixes:
            if all(_joined(prefix, key) in head.paths for key in self.keys):
                read = in_document(prefix, self.convert) if prefix else in_lines(self.convert)
                names = (_name(head.paths.get(path)) for path in self.user)
                return Recognised(self.name, self.source, read, next(filter(None, names), None), self.rank)
        return None


def _joined(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def _name(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) else None
