"""Check a request's items one by one against the contract, so that a bad one costs only itself."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from msgspec.json import Encoder
from msgspec.structs import asdict

from worker.contract.codec import decode
from worker.contract.events import MAX_EVENT_BYTES, MAX_SONG_TEXT, Event, PreferenceEvent
from worker.errors import InvalidEventError, MalformedRequestError
from worker.protocols import values

# Ten times what ListenBrainz takes. A body of 10 MB could hold three million empty objects.
MAX_ITEMS: Final = 10_000
# Leaves room for the other fields of an event: the desk shows what a client sent, not all of it at any price.
_MAX_RECEIVED_CHARACTERS: Final = 2_000

# The rest of an event may take nearly 15,000 bytes: each character of a text may be written as six.
_MAX_CREDIT_BYTES: Final = 1_400

_encode: Final = Encoder().encode


class Item(NamedTuple):
    """One event of a request. `event` is None and `error` says why, if the contract refuses it.

    `payload` goes to the stream either way: a worker refuses what is refused here for the same reason, and keeps it as
    a dead letter. So the desk needs no second way in, and the books count both.
    """

    payload: bytes
    event: Event | None
    error: InvalidEventError | None


class NowPlaying(NamedTuple):
    """What a user listens to now. `song` has the fields of the contract; it is no event, and nothing counts it."""

    song: Mapping[str, Any]
    source: str | None


class Notice(NamedTuple):
    """What a webhook reports: events, what is playing now, or that nothing is playing any more. Mostly one of these."""

    items: Sequence[Item] = ()
    playing: NowPlaying | None = None
    is_silent: bool = False


# --- Events ---------------------------------------------------------------------------------------


def song(  # noqa: PLR0913 -- A song's fields are keyword arguments.
    title: Any,
    artist: Any,
    *,
    album: Any = None,
    duration_ms: int | None = None,
    ids: Mapping[str, str] | None = None,
    artists: Any = None,
    album_artist: Any = None,
) -> dict[str, Any]:
    """The `song` of an event, of texts and artists as they were sent, and other facts as `values` has read them."""
    fields: dict[str, Any] = {}
    if title is not None:
        fields["title"] = values.required(title)
    if artist is not None:
        fields["artist"] = values.required(artist)
    if album and (name := values.optional(album, MAX_SONG_TEXT)):
        fields["album"] = name
    if duration_ms:
        fields["duration_ms"] = duration_ms
    if ids:
        fields["ids"] = ids
    return fields | credit(artists, album_artist) if artists or album_artist else fields


def credit(artists: Any, album_artist: Any) -> dict[str, Any]:
    """The song's `artists` and `album_artist`; without them if they would leave too little room in an event."""
    known: dict[str, Any] = {}
    if artists and (names := values.artist_names(artists)):
        known["artists"] = names
    if album_artist and (name := values.optional(album_artist, MAX_SONG_TEXT)):
        known["album_artist"] = name
    return known if len(_encode(known)) <= _MAX_CREDIT_BYTES else {}


def play(  # noqa: PLR0913 -- An event's fields are keyword arguments.
    of: Mapping[str, Any],
    *,
    user: str,
    time: values.Time,
    now: datetime,
    received: Any,
    ms_played: int | None = None,
    source: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> Item:
    """A play of the song `of`, checked. `received` is what the client sent of it."""
    event: dict[str, Any] = {"type": "play", "user": user, "song": of}
    began, fault = time
    if began is not None:
        # Text, or an aware time in UTC, which is written with a `Z`.
        event["time"] = began
    if source:
        event["source"] = source
    if ms_played:
        event["ms_played"] = ms_played
    if context:
        event["context"] = context
    return checked(event, now=now, received=received, fault=fault)


def favorite(  # noqa: PLR0913 -- An event's fields are keyword arguments.
    of: Mapping[str, Any],
    *,
    user: str,
    loved: bool,
    now: datetime,
    at: datetime | None = None,
    source: str | None = None,
) -> Item:
    """The song `of` became a favorite at the time `at`, or now, or stopped being one, checked."""
    event = {"type": "favorite", "time": (at or now).astimezone(UTC), "user": user, "song": of, "favorite": loved}
    return checked(event if source is None else {**event, "source": source}, now=now)


def playing(of: Mapping[str, Any], *, user: str, now: datetime, source: str | None) -> NowPlaying:
    """What the user listens to now, by the contract's rules for a play that begins now.

    Raises:
        MalformedRequestError: it is no song.
    """
    item = play(of, user=user, time=(now.astimezone(UTC), None), now=now, received=None, source=source)
    if item.event is None or isinstance(item.event, PreferenceEvent):
        raise MalformedRequestError(f"no song is playing now: {item.error.detail if item.error else ''}")
    heard = item.event.song
    known = {name: value for name, value in asdict(heard).items() if value is not None}
    return NowPlaying(known, item.event.source)


def bounded(items: Iterable[Any]) -> list[Any]:
    """The items of one request.

    Raises:
        MalformedRequestError: they are more than 10,000.
    """
    first = list(islice(items, MAX_ITEMS + 1))
    if len(first) > MAX_ITEMS:
        raise MalformedRequestError(f"more than {MAX_ITEMS:,} items in one request", way_out="send them in several")
    return first


# --- The check ------------------------------------------------------------------------------------


def checked(event: Mapping[str, Any], *, now: datetime, received: Any = None, fault: str | None = None) -> Item:
    """Check one event by the contract.

    Args:
        event: the contract's JSON object, made of what the client sent.
        now: the server's clock, aware.
        received: what the client sent. A refused event carries it to the desk, cut to 2,000 characters.
        fault: what is wrong with the event, where that can be said better than by the contract.
    """
    item = _judged(written(event), now, fault)
    if item.error is None or received is None:
        return item
    return _judged(_letter(event, received), now, fault)


def _judged(payload: bytes, now: datetime, fault: str | None) -> Item:
    try:
        return Item(payload, decode(payload, now=now), None)
    except InvalidEventError as error:
        return Item(payload, None, error if fault is None else InvalidEventError(error.reason, fault))


def written(value: Any) -> bytes:
    """Write JSON. What has no UTF-8, such as a lone surrogate, is written as an escape, which the contract refuses."""
    try:
        return _encode(value)
    except (UnicodeEncodeError, ValueError, OverflowError, RecursionError):
        pass
    try:
        return json.dumps(value, default=str).encode()
    except RecursionError:
        return b'"nested too deep to be written"'


def _letter(event: Mapping[str, Any], received: Any) -> bytes:
    """The event with what the client sent in the field `received`, which the contract ignores. At most 16 KiB."""
    bare = {name: value for name, value in event.items() if name != "context"}
    shown = {"received": _shown(received)}
    for letter in ({**event, **shown}, {**bare, **shown}, bare):
        payload = written(letter)
        if len(payload) <= MAX_EVENT_BYTES:
            return payload
    # Only escapes of twelve bytes a character take so much.
    names = {name: event["song"].get(name) for name in ("title", "artist")}
    return written({"type": event["type"], "user": event["user"], "song": names})


def _shown(received: Any) -> str:
    """As text, so that NUL or NaN in it are no second fault of the event."""
    if isinstance(received, bytes):
        text = received[: 4 * _MAX_RECEIVED_CHARACTERS].decode(errors="replace")
    else:
        try:
            text = json.dumps(received, ensure_ascii=False)
        except RecursionError:
            text = "nested too deep to be shown"
    return values.optional(text, _MAX_RECEIVED_CHARACTERS) or ""
