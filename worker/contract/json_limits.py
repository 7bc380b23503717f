"""Limits of the free-form parts of an event: what any JSON reader and both databases can hold."""

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
    """Return `value`, if no array or object nests deeper than 8 and every number is finite and within 64 bits.

    Walked level by level instead of by recursion: a hostile depth must not meet Python's stack.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for container in _containers(level) for item in _items(container)]
    if _containers(level):
        raise _refuse(Reason.OVER_LIMIT, f"must not nest deeper than {MAX_DEPTH}")
    return value


def _containers(level: list[Any]) -> list[dict[str, Any] | list[Any]]:
    """The objects and arrays of a level, whose numbers are checked in passing."""
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
        raise _refuse(Reason.OUT_OF_RANGE, "must hold no NaN and no infinite number")
    if isinstance(item, int) and not -MAX_INTEGER <= item < MAX_INTEGER:
        raise _refuse(Reason.OUT_OF_RANGE, "must hold no integer beyond 64 bits")


def check_free_object(value: dict[str, Any]) -> dict[str, Any]:
    """As `check_free_json`, and at most 4 KiB as compact UTF-8 JSON."""
    check_free_json(value)
    if len(compact_json(value)) > MAX_BYTES:
        raise _refuse(Reason.OVER_LIMIT, f"must not exceed {MAX_BYTES} bytes as JSON")
    return value


def as_told(value: Any) -> Any:
    """A stored value as it was told: an integer beyond 64 bits was a float, whose exponent PostgreSQL does not keep."""
    if isinstance(value, dict):
        return {name: as_told(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_told(item) for item in value]
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER and abs(value) <= _MAX_FLOAT:
        return float(value)
    return value


def compact_json(value: Any) -> bytes:
    """The value as compact UTF-8 JSON with sorted keys: one text for one value.

    Raises:
        ValueError: for NaN, infinite numbers, lone surrogates, and what JSON cannot hold.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()
