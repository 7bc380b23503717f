"""Read every valid event at about the cost of the simplest play, and leave the rest to the contract.

The rules of worker/contract/wire.py are repeated here as types of a parser that names no reason. So this module refuses
nothing: where it answers, the contract would give the same event; where it does not, the contract decides.
"""

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, MsgspecError, Raw, Struct
from msgspec.json import Decoder, encode
from pydantic_core import from_json

from worker.contract import events
from worker.contract.events import (
    MAX_ARTISTS,
    MAX_DURATION_MS,
    MAX_ID_NAME,
    MAX_ID_VALUE,
    MAX_IDS,
    MAX_SONG_TEXT,
    MAX_SOURCE,
    MAX_USER,
    Event,
    Moment,
    SongRef,
    parse_moment,
)
from worker.contract.identity import WHITE_SPACE, canonical_user, derived_event_id
from worker.contract.json_limits import MAX_BYTES, MAX_INTEGER, compact_json
from worker.contract.timezones import TIMEZONE, can_be_timezone
from worker.contract.wire import KEY, NIL, RFC_3339, UUID, song_event_id

# Checked here, because the parser takes twice as long over a pattern.
_is_time: Final = re.compile(RFC_3339).fullmatch
_is_id: Final = re.compile(UUID).fullmatch
_is_key: Final = re.compile(KEY).fullmatch

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_SONG_TEXT)]
_OptionalText = Annotated[str, Meta(max_length=MAX_SONG_TEXT)]
_IdName = Annotated[str, Meta(min_length=1, max_length=MAX_ID_NAME)]
_IdValue = Annotated[str, Meta(min_length=1, max_length=MAX_ID_VALUE)]

# Free JSON by how deep it nests. The parser refuses numbers beyond the range of a float.
_Depth0 = None | bool | Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER - 1)] | float | str
_Depth1 = _Depth0 | list[_Depth0] | dict[str, _Depth0]
_Depth2 = _Depth0 | list[_Depth1] | dict[str, _Depth1]
_Depth3 = _Depth0 | list[_Depth2] | dict[str, _Depth2]
_Depth4 = _Depth0 | list[_Depth3] | dict[str, _Depth3]
_Depth5 = _Depth0 | list[_Depth4] | dict[str, _Depth4]
_Depth6 = _Depth0 | list[_Depth5] | dict[str, _Depth5]
_Depth7 = _Depth0 | list[_Depth6] | dict[str, _Depth6]
_Depth8 = _Depth0 | list[_Depth7] | dict[str, _Depth7]

_NO_IDS: Final = Raw(b"null")


class _LeftToTheContract(ValueError):  # noqa: N818 -- no error, but a way out
    pass


class _Song(Struct, frozen=True, gc=False):
    title: _Name
    artist: _Name
    album: _OptionalText | None = None
    duration_ms: Annotated[int, Meta(ge=1, le=MAX_DURATION_MS)] | None = None
    ids: Raw = _NO_IDS
    artists: Annotated[tuple[_Name, ...], Meta(min_length=1, max_length=MAX_ARTISTS)] | None = None
    album_artist: _OptionalText | None = None

    def read(self) -> SongRef:
        return SongRef(
            _name(self.title),
            _name(self.artist),
            None if self.album is None else self.album.strip(WHITE_SPACE),
            self.duration_ms,
            None if self.ids is _NO_IDS else _ids(self.ids),
            None if self.artists is None else tuple(map(_name, self.artists)),
            None if self.album_artist is None else self.album_artist.strip(WHITE_SPACE),
        )


class _Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    time: str
    user: Annotated[str, Meta(min_length=1, max_length=MAX_USER)]
    # The default means absent, which differs from null and from an empty text.
    id: Annotated[str, Meta(min_length=1)] = ""
    v: Literal[1] = 1
    source: Annotated[str, Meta(max_length=MAX_SOURCE)] | None = None
    sent_at: str | None = None


class _Play(_Event, frozen=True, kw_only=True, gc=False, tag="play"):
    song: _Song
    ms_played: Annotated[int, Meta(ge=0, le=MAX_DURATION_MS)] | None = None
    context: dict[str, _Depth7] | None = None

    def read(self) -> Event:
        time, user, song = _moment(self.time), _user(self.user), self.song.read()
        return events.PlayEvent(
            id=_id(self.id) if self.id else song_event_id("play", user, song, time),
            time=time,
            user=user,
            source=None if self.source is None else self.source.strip(WHITE_SPACE),
            sent_at=None if self.sent_at is None else _moment(self.sent_at),
            song=song,
            ms_played=self.ms_played,
            context=self.context,
        )


class _Favorite(_Event, frozen=True, kw_only=True, gc=False, tag="favorite"):
    song: _Song
    favorite: bool

    def read(self) -> Event:
        time, user, song = _moment(self.time), _user(self.user), self.song.read()
        return events.FavoriteEvent(
            id=_id(self.id) if self.id else song_event_id("favorite", user, song, time),
            time=time,
            user=user,
            source=None if self.source is None else self.source.strip(WHITE_SPACE),
            sent_at=None if self.sent_at is None else _moment(self.sent_at),
            song=song,
            favorite=self.favorite,
        )


class _Preference(_Event, frozen=True, kw_only=True, gc=False, tag="preference"):
    key: str
    value: _Depth8

    def read(self) -> Event:
        time, user = _moment(self.time), _user(self.user)
        if not _is_key(self.key) or (self.key == TIMEZONE and not _is_timezone(self.value)):
            raise _LeftToTheContract
        return events.PreferenceEvent(
            id=_id(self.id) if self.id else derived_event_id("preference", user, self.key, time.at),
            time=time,
            user=user,
            source=None if self.source is None else self.source.strip(WHITE_SPACE),
            sent_at=None if self.sent_at is None else _moment(self.sent_at),
            key=self.key,
            value=self.value,
        )


_EVENTS: Final[Decoder[_Play | _Favorite | _Preference]] = Decoder(_Play | _Favorite | _Preference)
_IDS: Final[Decoder[dict[str, str] | None]] = Decoder(dict[_IdName, _IdValue] | None)

_SPACE: Final = ord(" ")
_BACKSLASH: Final = ord("\\")
_BRACKET: Final = ord("[")
# The contract's parser stops at a depth of 200 and at integers of 4,300 digits. A level takes two bytes as an array,
_FEW_BYTES: Final = 400
# and five as an object, `{"":}`.
_FEW_BYTES_WITHOUT_ARRAYS: Final = 1_000
_MANY_BRACKETS: Final = 150
_MANY_BYTES: Final = 4_000


def read(payload: bytes) -> Event | None:
    """Read a valid event exactly as the contract would. None leaves the payload, valid or not, to the contract."""
    try:
        _check_what_the_parser_skips(payload)
        event = _EVENTS.decode(payload).read()
        # A number may be written five times as long as it came: 1e15 as 1000000000000000.0.
        if len(payload) > MAX_BYTES // 5:
            _check_context(event)
    except (MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    return event


def _check_what_the_parser_skips(payload: bytes) -> None:
    """Check in all of the payload what msgspec does not check in an unknown field: encoding, U+0000, and sizes."""
    if not payload.isascii():
        payload.decode()
    if _BACKSLASH in payload and b"\\u0000" in payload:
        raise _LeftToTheContract
    size = len(payload)
    if size <= (_FEW_BYTES if _BRACKET in payload else _FEW_BYTES_WITHOUT_ARRAYS):
        return
    if size > _MANY_BYTES or payload.count(b"[") + payload.count(b"{") > _MANY_BRACKETS:
        from_json(payload, allow_inf_nan=False)


def _moment(text: str) -> Moment:
    if not _is_time(text):
        raise _LeftToTheContract
    return parse_moment(text)


def _is_timezone(value: Any) -> bool:
    return value is None or can_be_timezone(value)


def _id(text: str) -> str:
    if not _is_id(text) or text == NIL:
        raise _LeftToTheContract
    return text.lower()


def _name(text: str) -> str:
    name = text.strip(WHITE_SPACE)
    if not name or name.isspace():
        raise _LeftToTheContract
    return name


def _user(text: str) -> str:
    user = _name(text)
    if user.isascii():
        return user
    user = canonical_user(user)
    if len(user) > MAX_USER:
        raise _LeftToTheContract
    return user


def _ids(raw: Raw) -> dict[str, str] | None:
    told = _IDS.decode(raw)
    if told is None:
        return None
    written = bytes(raw)
    # Of a repeated name the contract checks each value, and the parser returns only the last one.
    if written.count(b'"') != 4 * len(told) or len(told) > MAX_IDS:
        raise _LeftToTheContract
    if _SPACE not in written and _BACKSLASH not in written and written.isascii():
        return told
    ids = {name.strip(WHITE_SPACE): value.strip(WHITE_SPACE) for name, value in told.items()}
    if not all(ids) or not all(ids.values()):
        raise _LeftToTheContract
    return ids


def _check_context(event: Event) -> None:
    # `encode` is fast, and at most a fifth shorter: it writes 1e16 for 1e+16.
    if (
        isinstance(event, events.PlayEvent)
        and event.context is not None
        and len(encode(event.context)) > MAX_BYTES * 4 // 5
        and len(compact_json(event.context)) > MAX_BYTES
    ):
        raise _LeftToTheContract
