"""Leave out the details of an event that the contract refuses, so that no detail costs a play."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.contract.codec import decode, encode
from worker.contract.events import Event
from worker.errors import InvalidEventError

Fields = dict[str, Any]

# Without these there is no event. Each other field, and each id and each part of the context, is a detail.
_NEEDED: Final = frozenset({"v", "type", "time", "user", "source", "favorite"})
_SONG: Final = frozenset({"title", "artist"})


class Encoded(NamedTuple):
    """An event as it is published. `left_out`: the rule that each detail broke that it came with, by its name."""

    payload: bytes
    event: Event
    left_out: Mapping[str, str] = MappingProxyType({})


def encoded(fields: Fields, *, now: datetime) -> Encoded:
    """The event as the worker will accept it.

    Raises:
        InvalidEventError: it is no event even without its details.
    """
    try:
        payload = encode(fields)
        return Encoded(payload, decode(payload, now=now))
    except InvalidEventError:
        return _without_wrong_details(fields, now)


def _without_wrong_details(fields: Fields, now: datetime) -> Encoded:
    song: Fields = fields["song"]
    kept = {name: value for name, value in fields.items() if name in _NEEDED}
    kept["song"] = {name: value for name, value in song.items() if name in _SONG}
    payload = encode(kept)
    event = decode(payload, now=now)
    left_out = {}
    for path, value in _details(fields):
        with_detail = _with(kept, path, value)
        try:
            payload_with = encode(with_detail)
            event = decode(payload_with, now=now)
        except InvalidEventError as error:
            left_out[".".join(path[:3])] = error.detail.partition(": ")[2] or error.detail
        else:
            kept, payload = with_detail, payload_with
    return Encoded(payload, event, left_out)


def _details(fields: Fields) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in fields["song"].items():
        if name == "ids":
            yield from ((("song", "ids", key), each) for key, each in value.items())
        elif name not in _SONG:
            yield ("song", name), value
    for name, value in fields.items():
        if name == "context":
            yield from ((("context", key), each) for key, each in value.items())
        elif name != "song" and name not in _NEEDED:
            yield (name,), value


def _with(fields: Fields, path: tuple[str, ...], value: Any) -> Fields:
    name, *inner = path
    return fields | {name: _with(fields.get(name, {}), tuple(inner), value) if inner else value}
