"""Turn Redis' replies into stream entries."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from worker.stream.keys import FIELD, TRACE_FIELD

# The lengths of the flat lists [name, value] and [name, value, name, value].
_ONE_FIELD: Final = 2
_TWO_FIELDS: Final = 4


class Entry(Struct, frozen=True, gc=False):
    """One stream entry. `payload` is None if it has no event field; `stray` then shows the fields that it has.

    `traceparent` is that field as the publisher sent it, unchecked.
    """

    id: str
    payload: bytes | None
    stray: bytes = b""
    traceparent: bytes = b""


class Batch(NamedTuple):
    """Entries to record, and the ids of those that were deleted while they were pending."""

    entries: list[Entry]
    vanished: list[str]


def _shown(fields: Mapping[bytes, bytes]) -> bytes:
    """Show the fields of an entry without an event as JSON, for the reader of the dead letter."""
    readable = {_readable(name): _readable(value) for name, value in fields.items()}
    return json.dumps(readable, ensure_ascii=False).encode()


def _readable(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def rows_of(reply: Any) -> Iterator[Any]:
    """Yield the entries of an XREADGROUP reply: RESP2 sends pairs of stream and entries, RESP3 a map."""
    pairs = reply.items() if isinstance(reply, dict) else reply or []
    for _, entries in pairs:
        yield from entries


def batch_of(rows: Iterable[Any]) -> Batch:
    entries, vanished = [], []
    for entry_id, fields in rows:
        # An entry has at least one field; one that was deleted while pending has only its id.
        if not fields:
            vanished.append(entry_id.decode())
        elif len(fields) == _ONE_FIELD and fields[0] == FIELD:
            entries.append(Entry(entry_id.decode(), fields[1]))
        elif len(fields) == _TWO_FIELDS and fields[0] == FIELD and fields[2] == TRACE_FIELD:
            entries.append(Entry(entry_id.decode(), fields[1], traceparent=fields[3]))
        else:
            entries.append(_unusual(entry_id.decode(), fields))
    return Batch(entries, vanished)


def _unusual(entry_id: str, fields: list[bytes]) -> Entry:
    """Read an entry with fields other than `event`, given as a flat list of names and values."""
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    payload = named.get(FIELD)
    return Entry(entry_id, payload, _shown(named) if payload is None else b"", named.get(TRACE_FIELD, b""))
