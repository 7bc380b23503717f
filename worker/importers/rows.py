"""Turn each row of an export into events, or into a refusal with its place and reason."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NamedTuple

from worker.errors import InvalidEventError, NoSongError, Reason
from worker.importers.times import is_to_the_minute

Fields = dict[str, Any]

# The key of an event whose row says only the minute. It is no field of the contract.
TO_THE_MINUTE: Final = "to_the_minute"

_EMPTY: Final = (None, "")

# Reasons of importing, in addition to the contract's.
UNKNOWN_SONG: Final = "unknown_song"  # a love of a recording that no listen in the export names
BROKEN_FILE: Final = "broken_file"  # the rest of the file cannot be read
NO_ROWS: Final = "no_rows"  # the file has a header and nothing else


class ParsedEvent(NamedTuple):
    """An event without user and source, whose time may be local. `place` is where it stands, such as `row 12`."""

    place: str
    event: Fields


class Refusal(NamedTuple):
    """A row that is not published. `detail` names field and rule, never the value."""

    place: str
    reason: str
    detail: str


class LeftOut(NamedTuple):
    """A row that is no play of a song, such as a podcast. It is no fault, and nothing is lost."""

    place: str
    kind: str


Row = ParsedEvent | Refusal | LeftOut


@dataclass
class Feedback:
    """That a recording is loved, or not any more, since `time`. `is_matched`: a row has named its song."""

    recording: str
    time: str
    is_love: bool
    is_matched: bool = False


@dataclass
class Notes:
    """What the files of one archive need to know from each other.

    Attributes:
        user: the user's name, if a file of the archive has it.
        feedback: by each id of the recording.
        favorites: identities of the favorites whose time is unknown, so that each is published once.
    """

    user: str | None = None
    feedback: dict[str, Feedback] = field(default_factory=dict)
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
        yield LeftOut(place, str(error))


def value_at(row: Any, *path: str) -> Any:
    """The value at a path of keys, or None if the row lacks one of them."""
    for key in path:
        if not isinstance(row, dict):
            return None
        row = row.get(key)
    return row


def play_event(
    time: str, song: Fields, *, ms_played: Any = None, context: Fields | None = None, told_time: Any = None
) -> Fields:
    """A play. `told_time` is the time as the row has it, if the service may cut it to the minute."""
    event: Fields = {"type": "play", "time": time, "song": song}
    if is_to_the_minute(told_time):
        event[TO_THE_MINUTE] = True
    if ms_played not in _EMPTY:
        event["ms_played"] = ms_played
    if context and (told := _without_empty(context)):
        event["context"] = told
    return event


def favorite_event(time: str, song: Fields, *, favorite: bool = True) -> Fields:
    return {"type": "favorite", "time": time, "song": song, "favorite": favorite}


def song_fields(  # noqa: PLR0913 -- A song's fields are keyword arguments.
    title: Any,
    artist: Any,
    *,
    album: Any = None,
    duration_ms: Any = None,
    ids: Fields | None = None,
    artists: Any = None,
    album_artist: Any = None,
) -> Fields:
    """The `song` of an event. Exports write "" and 0 for unknown values, which are left out."""
    song = {}
    if title not in _EMPTY:
        song["title"] = title
    if artist not in _EMPTY:
        song["artist"] = artist
    if album:
        song["album"] = album
        if album_artist:
            song["album_artist"] = album_artist
    if duration_ms:
        song["duration_ms"] = duration_ms
    if ids and (told := _without_empty(ids)):
        song["ids"] = told
    if artists:
        song["artists"] = artists
    return song


def joined(artists: Any) -> Any:
    """The names of a list as one text; anything else is handed on for the contract to judge."""
    return ", ".join(map(str, artists)) if isinstance(artists, list) else artists


def _without_empty(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value not in _EMPTY}
