"""Turn each row of an export into events, or into a refusal with its place and reason."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, BinaryIO, Final, NamedTuple

from worker.errors import InvalidEventError, NoSongError, Reason

Fields = dict[str, Any]

# Reasons of importing, in addition to the contract's.
NO_SONG: Final = "no_song"  # the row is a podcast or the like; no fault, and nothing is lost
UNKNOWN_SONG: Final = "unknown_song"  # a love of a recording that no listen in the export names
BROKEN_FILE: Final = "broken_file"  # the rest of the file cannot be read


class ParsedEvent(NamedTuple):
    """An event without user and source. `place` is where it stands in the file, such as `row 12`."""

    place: str
    event: Fields


class Refusal(NamedTuple):
    """A row that is not published. `detail` names field and rule, never the value."""

    place: str
    reason: str
    detail: str


Row = ParsedEvent | Refusal


@dataclass
class Notes:
    """What the files of one archive need to know from each other.

    Attributes:
        timezone: where the listener was, for times without an offset.
        user: the user's name, if a file of the archive has it.
        loved: by recording id, since when it is loved; removed when a row names the song.
        favorites: identities of the favorites whose time is unknown, so that each is published once.
    """

    timezone: tzinfo | None = None
    user: str | None = None
    loved: dict[str, str] = field(default_factory=dict)
    favorites: set[str] = field(default_factory=set)


Reader = Callable[[BinaryIO, Notes], Iterator[Row]]
Converter = Callable[[Fields, Notes], Iterable[Fields]]


def convert_row(place: str, row: Any, convert: Converter, notes: Notes) -> Iterator[Row]:
    """The events of one row, or its refusal. An invalid row does not end the import."""
    if not isinstance(row, dict):
        yield Refusal(place, Reason.WRONG_TYPE, "a row must be an object")
        return
    try:
        for event in convert(row, notes):
            yield ParsedEvent(place, event)
    except InvalidEventError as error:
        yield Refusal(place, error.reason, error.detail)
    except NoSongError as error:
        yield Refusal(place, NO_SONG, str(error))


def value_at(row: Any, *path: str) -> Any:
    """The value at a path of keys, or None if the row lacks one of them."""
    for key in path:
        if not isinstance(row, dict):
            return None
        row = row.get(key)
    return row


def play_event(time: str, song: Fields, *, ms_played: Any = None, context: Fields | None = None) -> Fields:
    optional = {"ms_played": ms_played, "context": _without_empty(context or {}) or None}
    return {"type": "play", "time": time, "song": song} | _without_empty(optional)


def favorite_event(time: str, song: Fields) -> Fields:
    return {"type": "favorite", "time": time, "song": song, "favorite": True}


def song_fields(
    title: Any, artist: Any, *, album: Any = None, duration_ms: Any = None, ids: Fields | None = None
) -> Fields:
    """The `song` of an event. Exports write "" and 0 for unknown values, which are left out."""
    optional = {"album": album or None, "duration_ms": duration_ms or None, "ids": _without_empty(ids or {}) or None}
    return _without_empty({"title": title, "artist": artist} | optional)


def _without_empty(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value not in (None, "")}
