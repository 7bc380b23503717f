"""What a row of an export becomes: an event, or a refusal with its place and reason."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, BinaryIO, Final, NamedTuple

from worker.errors import InvalidEventError, NoSongError, Reason

Fields = dict[str, Any]

# Beside the contract's reasons, three of importing alone.
NO_SONG: Final = "no_song"  # the row is a podcast or says of no song; no fault, and nothing is lost
UNKNOWN_SONG: Final = "unknown_song"  # a love of a recording that no listen of the export names
BROKEN_FILE: Final = "broken_file"  # the file cannot be read beyond this place


class Found(NamedTuple):
    """An event without user and source, and where it stood, as in `row 12`."""

    place: str
    event: Fields


class Refusal(NamedTuple):
    """A row that is no event. `detail` names field and rule, never the value."""

    place: str
    reason: str
    detail: str


Row = Found | Refusal


@dataclass
class Notes:
    """What the parts of one export must know of each other.

    Attributes:
        timezone: where the listener was, for times without an offset.
        user: the user's name, where a part of the export says it.
        loved: since when a recording is loved, by its id, until a row names the song.
        favorites: identities of the favorites whose time is not known, so that each is told once.
    """

    timezone: tzinfo | None = None
    user: str | None = None
    loved: dict[str, str] = field(default_factory=dict)
    favorites: set[str] = field(default_factory=set)


Reader = Callable[[BinaryIO, Notes], Iterator[Row]]
Converter = Callable[[Fields, Notes], Iterable[Fields]]


def converted(place: str, row: Any, convert: Converter, notes: Notes) -> Iterator[Row]:
    """The events of one row. Whatever is wrong with it costs no other row."""
    if not isinstance(row, dict):
        yield Refusal(place, Reason.WRONG_TYPE, "a row must be an object")
        return
    try:
        for event in convert(row, notes):
            yield Found(place, event)
    except InvalidEventError as error:
        yield Refusal(place, error.reason, error.detail)
    except NoSongError as error:
        yield Refusal(place, NO_SONG, str(error))


def at(row: Any, *path: str) -> Any:
    """The value at a path of keys, or None where the row does not go that far."""
    for key in path:
        if not isinstance(row, dict):
            return None
        row = row.get(key)
    return row


def play(time: str, song: Fields, *, ms_played: Any = None, context: Fields | None = None) -> Fields:
    known = {"ms_played": ms_played, "context": said(context or {}) or None}
    return {"type": "play", "time": time, "song": song} | said(known)


def favorite(time: str, song: Fields) -> Fields:
    return {"type": "favorite", "time": time, "song": song, "favorite": True}


def song_of(
    title: Any, artist: Any, *, album: Any = None, duration_ms: Any = None, ids: Fields | None = None
) -> Fields:
    """The song as an event names it. Exports write "" and 0 for what they do not know."""
    known = {"album": album or None, "duration_ms": duration_ms or None, "ids": said(ids or {}) or None}
    return said({"title": title, "artist": artist} | known)


def said(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value not in (None, "")}
