"""Plays as nearly all players send them, read at a third of what the contract costs.

A short cut, not a second contract: it takes only what the contract would accept without changing anything, and leaves
everything else, valid or not, to the contract to validate. So it refuses nothing, and may be taken out.
"""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from worker.contract.events import (
    MAX_DURATION_MS,
    MAX_SONG_TEXT,
    MAX_SOURCE,
    MAX_USER,
    Moment,
    PlayEvent,
    SongRef,
    parse_moment,
)
from worker.contract.wire import NIL, RFC_3339, song_event_id

# Asked here and not by the parser, which takes twice as long to ask.
_is_time: Final = re.compile(RFC_3339).match
_is_id: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_SongText = Annotated[str, Meta(min_length=1, max_length=MAX_SONG_TEXT)]


# Unknown fields are forbidden because the parser, unlike the contract's, does not look into what it skips.
class _Song(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    title: _SongText
    artist: _SongText
    album: _SongText | None = None
    duration_ms: Annotated[int, Meta(ge=1, le=MAX_DURATION_MS)] | None = None
    ids: None = None


class _Play(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    type: Literal["play"]
    time: str
    user: Annotated[str, Meta(min_length=1, max_length=MAX_USER)]
    song: _Song
    # The default stands for none, which is neither null nor an empty text.
    id: Annotated[str, Meta(min_length=1)] = ""
    v: Literal[1] = 1
    source: Annotated[str, Meta(max_length=MAX_SOURCE)] | None = None
    sent_at: str | None = None
    ms_played: Annotated[int, Meta(ge=0, le=MAX_DURATION_MS)] | None = None
    context: None = None


_DECODER: Final = Decoder(_Play)


def decode_common_play(payload: bytes) -> PlayEvent | None:
    """The play, exactly as the contract would read it; None where it is for the contract to judge."""
    try:
        told = _DECODER.decode(payload)
        time = _moment(told.time)
        sent_at = None if told.sent_at is None else _moment(told.sent_at)
    except (MsgspecError, ValueError, OverflowError):
        return None
    song = SongRef(told.song.title, told.song.artist, told.song.album, told.song.duration_ms)
    texts = (told.user, song.title, song.artist, song.album or "", told.source or "")
    if not told.user.isascii() or texts != tuple(map(str.strip, texts)) or "\0" in "".join(texts):
        return None
    if told.id and (not _is_id(told.id) or told.id == NIL):
        return None
    return PlayEvent(
        id=told.id or song_event_id("play", told.user, song, time),
        time=time,
        user=told.user,
        source=told.source,
        sent_at=sent_at,
        song=song,
        ms_played=told.ms_played,
    )


def _moment(text: str) -> Moment:
    if not _is_time(text):
        raise ValueError("for the contract to judge")
    return parse_moment(text)
