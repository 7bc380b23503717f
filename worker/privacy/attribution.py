"""Whether what could not be recorded is_about a user, however broken the event is."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote_plus

from pydantic_core import from_json

from worker.contract.events import EVENT_TYPES
from worker.contract.identity import canonical_user

# How clients spell the field `user` that do not know the contract well, without case and underscores.
_FIELDS: Final = {"user", "username", "userid"}
_BEGINS_JSON: Final = ("{", "[", '"')
_BEGINS_EVENTS: Final = ("{", "[")
_Judge = Callable[[str, str], bool]
_ESCAPED: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")


def is_about(payload: bytes, username: str) -> bool:
    """Whether the payload of a dead letter is about the user of this canonical name, beyond doubt.

    It is JSON, and has a field for the user, at any depth, also in a text that is JSON itself: an array of events, an
    event encoded twice, the fields of an entry without `event`.
    """
    return _holds(payload, username, unreadable=lambda _text, _username: False)


def may_be_about(payload: bytes, username: str) -> bool:
    """Whether the payload of a dead letter is, or seems to be, about the user of this canonical name.

    Where nobody can tell whose it is, the name between quotes is enough, or after `user=`: it is not JSON, or is JSON
    that is_about no user at all. Such an event can never be recorded, so nothing is lost if it is of somebody else.
    """
    return _holds(payload, username, unreadable=_seems_named_in)


def _holds(payload: bytes, username: str, *, unreadable: _Judge) -> bool:
    # Nobody is called nothing, and in what cannot be read an empty text stands everywhere.
    return bool(username) and any(_named_in(text, username, unreadable) for text in _readings(payload))


def _readings(payload: bytes) -> list[str]:
    """What the bytes may say: they came as UTF-8, or as what clients send by mistake."""
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
    # Of what is_about somebody only a part that is broken off may be about somebody else.
    doubtful = filter(_is_broken, texts) if any(named) else [text, *texts]
    return username in named or any(unreadable(each, username) for each in doubtful)


def _within(value: Any) -> Iterator[Any]:
    """The value and all that it holds, also as JSON in a text, but for what is within an event that is_about its user.

    Walked without recursion. JSON within JSON ends by itself: the backslashes of a letter's 16 KiB double each time.
    """
    waiting = [value]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, str):
            waiting.extend(_unwrapped(item))
        elif isinstance(item, dict):
            # An event of another user is that user's, whatever it holds.
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
    """What a field for the user is_about: the canonical form of a text or a number, also within other JSON."""
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
    """The value that a text holds as JSON, if it does."""
    if not text.lstrip().startswith(_BEGINS_JSON):
        return []
    try:
        return [from_json(text)]
    except ValueError:
        return []


def _seems_named_in(text: str, username: str) -> bool:
    return _quoted_in(text, username) or _assigned_in(text, username)


def _quoted_in(text: str, username: str) -> bool:
    """Whether the name stands between quotes of either kind, with or without escapes, which may be doubled ones."""
    characters = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
    joined = characters.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    name = re.escape(username.replace("\\", ""))
    return re.search(rf"""["']\s*{name}\s*["']""", canonical_user(joined.replace("\\", ""))) is not None


def _assigned_in(text: str, username: str) -> bool:
    """Whether a field for the user has the name as its value without quotes, as forms, YAML and logfmt have it."""
    field = rf"(?<!\w)(?i:user(?:_?name|_?id)?)\s*[=:]\s*{re.escape(username)}"
    end = r"\s*(?:[&;,}\r\n]|$)"
    # Names may hold white space, so it ends one only before a further `key=`. And only in the text as it stands: what
    # looks like a key in a form that has been decoded may be a part of the name.
    return bool(
        re.search(rf"{field}(?:{end}|\s+[\w.-]+=)", canonical_user(text))
        or re.search(field + end, canonical_user(unquote_plus(text)))
    )
