"""The rows that the events become, with real user and song ids, ready for COPY: the work that zik cannot avoid."""

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from benchmarks.data import RECEIVED
from worker.contract.codec import decode
from worker.contract.events import Event, PlayEvent, PreferenceEvent, SongRef
from worker.errors import InvalidEventError
from worker.recorders.tracks import NO_TRACK, TrackKey, track_key

COLUMNS: Final = (
    "id", "user_id", "song_id", "played_at", "reported_at", "ms_played", "duration_ms", "track_id",
    "utc_offset_minutes", "source", "context",
)  # fmt: skip
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BINARY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_BINARY_END: Final = struct.pack("!h", -1)


class Row(NamedTuple):
    """A row of `play_history`, in the order of `COLUMNS`. `context` is JSON."""

    id: UUID
    user_id: int
    song_id: int
    played_at: datetime
    reported_at: datetime | None
    ms_played: int | None
    duration_ms: int | None
    track_id: int
    utc_offset_minutes: int | None
    source: str | None
    context: str | None


@dataclass(frozen=True)
class FinishedRows:
    users: dict[str, int]
    songs: dict[str, tuple[int, SongRef]]
    plays: list[Row]
    dead: int = 0

    def text(self, chunk: int) -> list[bytes]:
        """COPY's text format, in pieces of so many rows."""
        return [b"".join(map(_text, rows)) for rows in _pieces(self.plays, chunk)]

    def binary(self, chunk: int) -> list[bytes]:
        """COPY's binary format, in pieces of so many rows, each a whole file."""
        return [_BINARY_HEADER + b"".join(map(_binary, rows)) + _BINARY_END for rows in _pieces(self.plays, chunk)]

    def store_users_and_songs(self, connection: "Connection[Any]") -> None:
        """Put in place what the rows refer to; not a part of what is timed."""
        with connection.cursor().copy("COPY app_users (id, username) FROM STDIN") as copy:
            for username, user_id in self.users.items():
                copy.write_row((user_id, username))
        columns = "id, identity, artist, title, album, duration_ms"
        with connection.cursor().copy(f"COPY songs ({columns}) FROM STDIN") as copy:
            for identity, (song_id, song) in self.songs.items():
                copy.write_row((song_id, identity, song.artist, song.title, song.album, song.duration_ms))
        for table in ("app_users", "songs"):
            # COPY brought its own ids, so move the sequence past them.
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608 -- our own names
        connection.execute("ANALYZE app_users, songs")


def finish(payloads: Iterable[bytes]) -> FinishedRows:
    """Users, songs and tracks are numbered as they come. Of plays that are sent twice the first one has a row."""
    users: dict[str, int] = {}
    songs: dict[str, tuple[int, SongRef]] = {}
    tracks: dict[TrackKey, int] = {}
    plays: dict[tuple[int, UUID], Row] = {}
    moments: set[tuple[int, int, datetime]] = set()
    dead = 0
    for event in map(_event, payloads):
        dead += event is None
        if event is None or isinstance(event, PreferenceEvent):
            continue
        user_id = users.setdefault(event.user, len(users) + 1)
        song_id, _ = songs.setdefault(event.song.identity, (len(songs) + 1, event.song))
        if isinstance(event, PlayEvent):
            key = track_key(song_id, event.song)
            track_id = NO_TRACK if key is None else tracks.setdefault(key, len(tracks) + 1)
            row = _row(event, user_id, song_id, track_id)
            if (moment := (user_id, song_id, row.played_at)) not in moments:
                moments.add(moment)
                plays.setdefault((user_id, row.id), row)
    return FinishedRows(users, songs, [*plays.values()], dead)


def _event(payload: bytes) -> Event | None:
    try:
        return decode(payload, now=datetime.now(UTC), entry_id=RECEIVED)
    except InvalidEventError:
        return None


def _row(play: PlayEvent, user_id: int, song_id: int, track_id: int) -> Row:
    time, context = play.time, play.context
    told = None if context is None else json.dumps(context, ensure_ascii=False)
    return Row(
        UUID(play.id), user_id, song_id, time.at, time.reported_at, play.ms_played, play.song.duration_ms, track_id,
        time.offset_minutes, play.source, told,
    )  # fmt: skip


def _pieces(rows: Sequence[Row], chunk: int) -> Iterable[list[Row]]:
    waiting = iter(rows)
    while piece := list(islice(waiting, chunk)):
        yield piece


def _text(row: Row) -> bytes:
    # The generated texts hold nothing else that COPY's text format would have escaped.
    return ("\t".join("\\N" if value is None else str(value) for value in row) + "\n").encode()


def _binary(row: Row) -> bytes:
    values = (
        row.id.bytes,
        struct.pack("!q", row.user_id),
        struct.pack("!q", row.song_id),
        _instant(row.played_at),
        None if row.reported_at is None else _instant(row.reported_at),
        _packed("!i", row.ms_played),
        _packed("!i", row.duration_ms),
        struct.pack("!q", row.track_id),
        _packed("!h", row.utc_offset_minutes),
        None if row.source is None else row.source.encode(),
        # The first byte of a jsonb is the version of its format.
        None if row.context is None else b"\x01" + row.context.encode(),
    )
    return struct.pack("!h", len(COLUMNS)) + b"".join(map(_sized, values))


def _instant(at: datetime) -> bytes:
    return struct.pack("!q", (at - _EPOCH) // _MICROSECOND)


def _packed(form: str, value: int | None) -> bytes | None:
    return None if value is None else struct.pack(form, value)


def _sized(value: bytes | None) -> bytes:
    return struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
