"""Keep the facts that have no field in an event as its context, cut to what the contract takes of free JSON."""

from collections.abc import Iterable
from itertools import islice
from math import isfinite
from typing import Any, Final

from msgspec.json import Encoder

from worker.contract.json_limits import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, compact_json
from worker.protocols import values

_MAX_FACTS: Final = 100
_MAX_NAME: Final = 64
MAX_TEXT: Final = 500
MAX_ITEMS: Final = 50

_encode: Final = Encoder().encode


def context_of(facts: Iterable[tuple[Any, Any]]) -> dict[str, Any] | None:
    """Facts without a field of their own, cut to what the contract takes of free JSON. None if nothing remains.

    At most 100 facts are looked at. Texts are cut to 500 characters and lists to 50 items; what cannot be stored, such
    as NaN, is left out, and so is each fact that would exceed the 4 KiB.
    """
    known = _free_object(islice(facts, _MAX_FACTS), MAX_DEPTH - 1)
    # The contract measures it as the standard library writes it, which is slower, and differs by a few bytes.
    return known or None if len(_encode(known)) <= MAX_BYTES // 2 else _what_fits(known)


def _what_fits(known: dict[str, Any]) -> dict[str, Any] | None:
    kept: dict[str, Any] = {}
    room = MAX_BYTES - len("{}")
    for name, value in known.items():
        size = len(compact_json({name: value})) - len("{}") + len(",")
        if size <= room:
            kept[name] = value
            room -= size
    return kept or None


def _free_object(facts: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
    known = {}
    for name, sent in facts:
        key = name if name.isidentifier() and len(name) <= _MAX_NAME else values.optional(name, _MAX_NAME)
        value = _free(sent, depth)
        if key is not None and value is not None:
            known[key] = value
    return known


def _free(sent: Any, depth: int) -> Any:
    """The value as free JSON with `depth` levels below it at most; None if it is empty or cannot be stored."""
    if isinstance(sent, str):
        return values.storable(sent)[:MAX_TEXT] or None
    if isinstance(sent, int):
        return sent if -MAX_INTEGER <= sent < MAX_INTEGER else None
    if isinstance(sent, float):
        return sent if isfinite(sent) else None
    if isinstance(sent, list) and depth:
        items = [_free(item, depth - 1) for item in sent[:MAX_ITEMS]]
        return [item for item in items if item is not None] or None
    if isinstance(sent, dict) and depth:
        return _free_object(islice(sent.items(), MAX_ITEMS), depth - 1) or None
    return None
