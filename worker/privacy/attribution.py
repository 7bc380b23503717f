"""Whether a dead letter is about a user, however broken its event is."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote_plus

from pydantic_core import from_json

from worker.contract.events import EVENT_TYPES
from worker.contract.identity import canonical_user

# Spellings of the field `user` in clients that miss the contract, without case and underscores.
_FIELDS: Final = {"user", "username", "userid"}
_BEGINS_JSON: Final = ("{", "[", '"')
_BEGINS_EVENTS: Final = ("{", "[")
_Judge = Callable[[str, str], bool]
_ESCAPED: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")


def is_about(payload: bytes, username: str) -> bool:
    """Whether the payload of a dead letter is certainly about the user of this canonical name.

    It is JSON with a field for the user at any depth, also within a text that is JSON itself: an array of events, an
    event encoded twice, the fields of an entry without `event`.
    """
    return _holds(payload, username, unreadable=lambda _text, _username: False)


def may_be_about(payload: bytes, username: str) -> bool:
    """Whether the payload of a dead letter is, or seems to be, about the user of this canonical name.

    In a payload that is no JSON, or JSON that names no user, the name in quotes or after `user=` is enough. Such an
    event can never be recorded, so a wrong guess loses nothing.
    """
    return _holds(payload, username, unreadable=_seems_named_in)


def _holds(payload: bytes, username: str, *, unreadable: _Judge) -> bool:
    # An empty name would match any payload.
    return bool(username) and any(_named_in(text, username, unreadable) for text in _readings(payload))


def _readings(payload: bytes) -> list[str]:
    """The texts that the bytes may be, in UTF-8 or in an encoding that clients send by mistake."""
    encoding = json.detect_encoding(payload)
    try:
        return [payload.decode(encoding)]
    except UnicodeDecodeError:
        return [payload.decode(each, errors="replace") for each in (encoding, "utf-8", "latin-1")]


def _named_in(text: str, username: str, unreadable: _Judge) -> bool:
    try:
        items = list(_within(from_json(text)))
    except ValueError:
        return unreadable(text, username)
    named = {name for item in items if isinstance(item, dict) for name in _named_by(item)}
    texts = [item for item in items if isinstance(item, str)]
    # In a payload that names a user, only a truncated part may be about another one.
    doubtful = filter(_is_broken, texts) if any(named) else [text, *texts]
    return username in named or any(unreadable(each, username) for each in doubtful)


def _within(value: Any) -> Iterator[Any]:
    """The value and everything in it, also as JSON in a text, but nothing within an event that names its user.

    Without recursion. JSON within JSON is bounded: the backslashes in a letter's 16 KiB double at each level.
    """
    waiting = [value]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, str):
            waiting.extend(_unwrapped(item))
        elif isinstance(item, dict):
            # An event belongs to the user that it names, whatever else it holds.
            waiting.extend([] if _is_event(item) else item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _named_by(item: dict[str, Any]) -> Iterator[str]:
    return (name for key, field in item.items() if _is_user(key) for name in _names(field))


def _is_broken(text: str) -> bool:
    return text.lstrip().startswith(_BEGINS_EVENTS) and not _unwrapped(text)


def _is_event(item: dict[str, Any]) -> bool:
    kind = item.get("type")
    user = item.get("user")
    return isinstance(kind, str) and kind in EVENT_TYPES and isinstance(user, str) and bool(user.strip())


def _is_user(field: str) -> bool:
    return field.replace("_", "").casefold() in _FIELDS


def _names(field: Any) -> Iterator[str]:
    """The names in a field for the user: a text or a number in canonical form, also within other JSON."""
    waiting = [field]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield canonical_user(item.strip())
            waiting.extend(_unwrapped(item))
        elif type(item) is int:
            yield str(item)
        elif isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)


def _unwrapped(text: str) -> list[Any]:
    """The value of a text that is JSON, as a list of one, else none."""
    if not text.lstrip().startswith(_BEGINS_JSON):
        return []
    try:
        return [from_json(text)]
    except ValueError:
        return []


def _seems_named_in(text: str, username: str) -> bool:
    return _quoted_in(text, username) or _assigned_in(text, username)


def _quoted_in(text: str, username: str) -> bool:
    """Whether the name is in single or double quotes, with or without escapes, even doubled ones."""
    characters = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
    joined = characters.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    name = re.escape(username.replace("\\", ""))
    return re.search(rf"""["']\s*{name}\s*["']""", canonical_user(joined.replace("\\", ""))) is not None


def _assigned_in(text: str, username: str) -> bool:
    """Whether a field for the user has the name as unquoted value, as in forms, YAML and logfmt."""
    field = rf"(?<!\w)(?i:user(?:_?name|_?id)?)\s*[=:]\s*{re.escape(username)}"
    end = r"\s*(?:[&;,}\r\n]|$)"
    # A name may contain white space, so that ends it only before another `key=`, and only in the text before decoding:
    # what looks like a key in a decoded form may be part of the name.
    return bool(
        re.search(rf"{field}(?:{end}|\s+[\w.-]+=)", canonical_user(text))
        or re.search(field + end, canonical_user(unquote_plus(text)))
    )
