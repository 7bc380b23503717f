"""Check a request's items one by one against the contract, so that a bad one costs only itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from worker.contract.codec import decode, encode
from worker.contract.events import MAX_EVENT_BYTES, Event
from worker.errors import InvalidEventError, Reason

# Leaves room for the other fields of an event: the desk shows what a client sent, not all of it at any price.
_MAX_RECEIVED_CHARACTERS: Final = 2_000


class Item(NamedTuple):
    """One event of a request. `event` is None and `error` says why, if the contract refuses it.

    `payload` goes to the stream either way: a worker refuses what is refused here for the same reason, and keeps it as a
    dead letter. So the desk needs no second way in, and the books count both.
    """

    payload: bytes
    event: Event | None
    error: InvalidEventError | None


class NowPlaying(NamedTuple):
    """What a user listens to now. `song` has the fields of the contract; it is no event, and nothing counts it."""

    song: Mapping[str, Any]
    source: str | None


def checked(event: Mapping[str, Any], *, now: datetime, received: Any = None) -> Item:
    """Check one event by the contract.

    Args:
        event: the contract's JSON object, made of what the client sent.
        now: the server's clock, aware.
        received: what the client sent. A refused event carries it to the desk, cut to 2,000 characters.
    """
    try:
        payload = encode(event)
    except InvalidEventError as error:
        return Item(_letter({"type": event.get("type"), "user": event.get("user")}, received), None, error)
    try:
        return Item(payload, decode(payload, now=now), None)
    except InvalidEventError as error:
        return Item(_letter(event, received) if received is not None else payload, None, error)


def refused(event: Mapping[str, Any], error: InvalidEventError, *, received: Any) -> Item:
    """An item that its protocol refuses before the contract sees it. `event` holds what could be read of it."""
    return Item(_letter(event, received), None, error)


def _letter(event: Mapping[str, Any], received: Any) -> bytes:
    """The event with what the client sent in the field `received`, which the contract ignores."""
    for more in ({"received": _shown(received)}, {}):
        try:
            payload = encode({**event, **more})
        except InvalidEventError:
            continue
        if len(payload) <= MAX_EVENT_BYTES:
            return payload
    return encode({"type": str(event.get("type")), "user": str(event.get("user")), "received": _shown(received)})


def _shown(received: Any) -> Any:
    try:
        text = encode({"": received}).decode()[4:-1]
    except InvalidEventError:
        return f"cannot be written as JSON: {type(received).__name__}"
    return received if len(text) <= _MAX_RECEIVED_CHARACTERS else text[:_MAX_RECEIVED_CHARACTERS]


def missing(field: str) -> InvalidEventError:
    return InvalidEventError(Reason.MISSING_FIELD, f"{field}: Field required")
