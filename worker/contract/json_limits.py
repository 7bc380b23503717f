"""Limit the free-form JSON of an event to what any JSON reader and both databases can hold."""

import json
from collections.abc import Iterable
from math import isfinite
from sys import float_info
from typing import Any, Final

from pydantic_core import PydanticCustomError

from worker.errors import Reason

MAX_BYTES: Final = 4 * 1024
MAX_DEPTH: Final = 8
MAX_INTEGER: Final = 2**63
_MAX_FLOAT: Final = int(float_info.max)


def _refuse(reason: Reason, rule: str) -> PydanticCustomError:
    return PydanticCustomError(reason.value, "{rule}", {"rule": rule})


def check_free_json(value: Any) -> Any:
    """Return `value` if it nests at most 8 deep and every number is finite and fits 64 bits.

    Walks level by level instead of recursing, so that hostile nesting cannot exhaust Python's stack.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for container in _containers(level) for item in _items(container)]
    if _containers(level):
        raise _refuse(Reason.OVER_LIMIT, f"must not nest deeper than {MAX_DEPTH}")
    return value


def _containers(level: list[Any]) -> list[dict[str, Any] | list[Any]]:
    """Return the objects and arrays of a level, and check its numbers."""
    found: list[dict[str, Any] | list[Any]] = []
    for item in level:
        if isinstance(item, dict | list):
            found.append(item)
        else:
            _check_number(item)
    return found


def _items(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _check_number(item: Any) -> None:
    if isinstance(item, float) and not isfinite(item):
        raise _refuse(Reason.OUT_OF_RANGE, "must not contain NaN or an infinite number")
    if isinstance(item, int) and not -MAX_INTEGER <= item < MAX_INTEGER:
        raise _refuse(Reason.OUT_OF_RANGE, "must not contain an integer beyond 64 bits")


def check_free_object(value: dict[str, Any]) -> dict[str, Any]:
    """Check as `check_free_json`, and that the object takes at most 4 KiB as compact UTF-8 JSON."""
    check_free_json(value)
    if len(compact_json(value)) > MAX_BYTES:
        raise _refuse(Reason.OVER_LIMIT, f"must not exceed {MAX_BYTES} bytes as JSON")
    return value


def as_published(value: Any) -> Any:
    """Restore a stored value: an integer beyond 64 bits was a float, because PostgreSQL drops the exponent."""
    if isinstance(value, dict):
        return {name: as_published(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_published(item) for item in value]
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER and abs(value) <= _MAX_FLOAT:
        return float(value)
    return value


def compact_json(value: Any) -> bytes:
    """Write the value as compact UTF-8 JSON with sorted keys, so that equal values give equal bytes.

    Raises:
        ValueError: for NaN, infinite numbers, lone surrogates, and types that JSON lacks.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
