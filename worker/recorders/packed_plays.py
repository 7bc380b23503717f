"""Pack plays as rows of a binary COPY into `play_history`: what its columns are, in the fewest steps of Python."""

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from msgspec.json import encode

from worker.database.copy import NULL, int2, int4, jsonb, microseconds, text, timestamptz
from worker.recorders.play_to_record import PlayToRecord, hex_of

# What no play lacks comes first, and is packed in one step; for each value its length and the value.
_NEEDED: Final = ("user_id", "played_at", "song_id", "id", "track_id")
_OPTIONAL: Final = ("reported_at", "ms_played", "duration_ms", "utc_offset_minutes", "source", "context")
COLUMNS: Final = (*_NEEDED, *_OPTIONAL)
_packed_needed: Final = struct.Struct("!h iq iq iq i16s iq").pack

# Of both there are few, and most plays have one.
_offset: Final = lru_cache(1_024)(int2)
_source: Final = lru_cache(1_024)(text)


def packed(plays: Iterable[PlayToRecord]) -> Iterator[bytes]:
    """Yield each play as a row of `COLUMNS`.

    Raises:
        struct.error: a number does not fit its column.
    """
    for user_id, at, song_id, id_, reported_at, ms_played, duration_ms, track_id, offset, source, context, _ in plays:
        id_bytes = bytes.fromhex(hex_of(id_))
        needed = _packed_needed(len(COLUMNS), 8, user_id, 8, microseconds(at), 8, song_id, 16, id_bytes, 8, track_id)
        yield b"".join(
            (
                needed,
                NULL if reported_at is None else timestamptz(reported_at),
                int4(ms_played),
                int4(duration_ms),
                _offset(offset),
                _source(source),
                NULL if context is None else jsonb(encode(context)),
            )
        )
