"""Decode bytes to an event, or to the reason why they are not one; encode events for publishing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json, to_json

from worker.contract.clock_skew import corrected, not_after_receipt
from worker.contract.events import EARLIEST_TIME, EVENT_TYPES, MAX_AHEAD, MAX_EVENT_BYTES, VERSION, Event
from worker.contract.json_limits import MAX_DEPTH
from worker.contract.reader import read
from worker.contract.wire import validate
from worker.errors import InvalidEventError, Reason

_N: Final = ord("N")
_I: Final = ord("I")
_REASON_OF: Final = {
    "missing": Reason.MISSING_FIELD,
    "string_too_short": Reason.INVALID_VALUE,
    "string_pattern_mismatch": Reason.INVALID_VALUE,
    "string_too_long": Reason.OVER_LIMIT,
    "too_long": Reason.OVER_LIMIT,
    "greater_than_equal": Reason.OUT_OF_RANGE,
    "less_than_equal": Reason.OUT_OF_RANGE,
    "int_parsing_size": Reason.OUT_OF_RANGE,
    # zik's own validators raise errors whose type is the reason.
    **{reason.value: reason for reason in Reason},
}


def decode(payload: bytes, *, now: datetime, entry_id: str | None = None, earliest: datetime = EARLIEST_TIME) -> Event:
    """Read one event as a client published it.

    Args:
        payload: the bytes of the stream entry's `event` field.
        now: the worker's clock, aware; an event may be at most a day ahead of it.
        entry_id: the stream entry's id. It holds the time at which Redis received the entry, so `sent_at` can correct
            `time`, and a favorite or preference counts from its receipt at the latest. Without it `time` stands as
            reported.
        earliest: no event may be older.

    Raises:
        InvalidEventError: the only exception, whatever the input.
    """
    if len(payload) > MAX_EVENT_BYTES:
        raise InvalidEventError(Reason.TOO_LARGE, f"{len(payload)} bytes; an event has at most {MAX_EVENT_BYTES}")
    event = read(payload) or _validated(payload)
    if event.sent_at is not None and entry_id is not None:
        event = corrected(event, entry_id=entry_id, now=now)
    if not earliest <= event.time.at <= now + MAX_AHEAD:
        rule = f"must be from {EARLIEST_TIME:%Y-%m-%d} to a day ahead of the worker's clock"
        how = "" if event.time.reported_at is None else ", also when corrected by sent_at"
        raise InvalidEventError(Reason.OUT_OF_RANGE, f"time: {rule}{how}")
    return event if entry_id is None else not_after_receipt(event, entry_id=entry_id, now=now)


def _validated(payload: bytes) -> Event:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidEventError(Reason.BAD_ENCODING, f"not UTF-8 at byte {error.start}") from None
    try:
        event = validate(text)
    except ValidationError as error:
        raise _diagnosis(text, error) from None
    # JSON can hold NUL only as an escape, and NaN only by name, so few payloads need a second parse.
    if ("\\u0000" in text or "NaN" in text or "Infinity" in text) and _holds_nul(_parse(text)):
        raise InvalidEventError(Reason.INVALID_VALUE, "U+0000 is not allowed in any text")
    return event


def encode(event: Mapping[str, Any]) -> bytes:
    """Write an event as compact UTF-8 JSON. Types that pydantic knows and JSON lacks, such as datetimes, become text.

    Raises:
        InvalidEventError: a value does not fit JSON or UTF-8. The text names the field and the value's type.
    """
    try:
        payload = to_json(event, fallback=_as_object)
        # A search for one byte takes a quarter of the time of one for a word.
        if (_N in payload and b"NaN" in payload) or (_I in payload and b"Infinity" in payload):
            from_json(payload, allow_inf_nan=False)
    except ValueError:
        place, value = _culprit(event)
        rule = "contains a lone surrogate" if isinstance(value, str) else "cannot be written as JSON"
        raise InvalidEventError(Reason.INVALID_JSON, f"{place}: {rule} (got {type(value).__name__})") from None
    return payload


def _as_object(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise PydanticSerializationError("unknown type")


def _culprit(value: Any, place: tuple[str, ...] = ()) -> tuple[str, Any]:
    """Find the innermost value that cannot be written. A cycle is followed down to the depth limit."""
    named = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, item in named:
        if len(place) <= MAX_DEPTH and not _is_json(item):
            return _culprit(item, (*place, str(name)))
    return ".".join(place), value


def _is_json(value: Any) -> bool:
    try:
        from_json(to_json(value, fallback=_as_object), allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _diagnosis(text: str, error: ValidationError) -> InvalidEventError:
    """Choose the most useful reason: the checks are in the order in which a reader needs to know."""
    if text.startswith("\ufeff"):
        return InvalidEventError(Reason.BAD_ENCODING, "begins with a byte order mark")
    fault = error.errors(include_url=False)[0]
    if fault["type"] == "json_invalid":
        return InvalidEventError(Reason.INVALID_JSON, fault["msg"])
    value = _parse(text)
    if not isinstance(value, dict):
        return InvalidEventError(Reason.WRONG_TYPE, f"an event is a JSON object, not {_json_type(value)}")
    version = value.get("v", VERSION)
    if type(version) is int and version > VERSION:
        return InvalidEventError(Reason.UNSUPPORTED_VERSION, f"v: this worker knows versions up to {VERSION}")
    kind = value.get("type")
    if isinstance(kind, str) and kind not in EVENT_TYPES:
        return InvalidEventError(Reason.UNKNOWN_TYPE, f"type: must be one of {', '.join(sorted(EVENT_TYPES))}")
    return _field_fault(fault)


def _field_fault(fault: ErrorDetails) -> InvalidEventError:
    kind = fault["type"]
    if kind == "union_tag_not_found":
        return InvalidEventError(Reason.MISSING_FIELD, "type: Field required")
    if kind == "union_tag_invalid":
        return InvalidEventError(Reason.WRONG_TYPE, "type: Input should be a valid string")
    # The first part is the union's tag, which is not a field of the event.
    place = ".".join(str(part) for part in fault["loc"][1:])
    rule = fault["msg"] if kind == "missing" else f"{fault['msg']} (got {_json_type(fault['input'])})"
    return InvalidEventError(_reason_of(kind), f"{place}: {rule}" if place else rule)


def _reason_of(kind: str) -> Reason:
    if kind in _REASON_OF:
        return _REASON_OF[kind]
    if kind.endswith("_type") or kind == "int_from_float":
        return Reason.WRONG_TYPE
    return Reason.INVALID_VALUE


def _parse(text: str) -> Any:
    """Parse without NaN. The standard library's parser fails on long integers and deep nesting."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidEventError(Reason.INVALID_JSON, str(error)) from None


def _json_type(value: object) -> str:
    names: dict[type, str] = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), "a number")


def _holds_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False
