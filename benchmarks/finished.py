"""The rows that the events become, with real user and song ids, ready for COPY: the work that zik cannot avoid."""

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from worker.contract.identity import song_identity

COLUMNS: Final = ("id", "user_id", "song_id", "played_at", "ms_played", "utc_offset_minutes", "source", "context")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_BINARY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
_BINARY_END: Final = struct.pack("!h", -1)

Row = tuple[UUID, int, int, datetime, int | None, int | None, str | None]


@dataclass(frozen=True)
class FinishedRows:
    users: dict[str, int]
    songs: dict[UUID, tuple[int, dict[str, Any]]]
    plays: list[Row]

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
                copy.write_row(
                    (song_id, identity, song["artist"], song["title"], song.get("album"), song.get("duration_ms"))
                )
        for table in ("app_users", "songs"):
            # COPY brought its own ids, so move the sequence past them.
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608 -- our own names
        connection.execute("ANALYZE app_users, songs")


def finish(payloads: Iterable[bytes]) -> FinishedRows:
    """Users and songs are numbered as they come."""
    users: dict[str, int] = {}
    songs: dict[UUID, tuple[int, dict[str, Any]]] = {}
    plays: list[Row] = []
    for payload in payloads:
        event = json.loads(payload)
        song = event["song"]
        user_id = users.setdefault(event["user"], len(users) + 1)
        identity = UUID(song_identity(song["artist"], song["title"]))
        song_id, _ = songs.setdefault(identity, (len(songs) + 1, song))
        at = datetime.fromisoformat(event["time"])
        offset = at.utcoffset()
        plays.append(
            (
                UUID(event["id"]),
                user_id,
                song_id,
                at.astimezone(UTC),
                event.get("ms_played"),
                int(offset.total_seconds()) // 60 if offset is not None else None,
                event.get("source"),
            )
        )
    return FinishedRows(users, songs, plays)


def _pieces(rows: Sequence[Row], chunk: int) -> Iterable[list[Row]]:
    waiting = iter(rows)
    while piece := list(islice(waiting, chunk)):
        yield piece


def _text(row: Row) -> bytes:
    values = (*row, None)
    # The simulator's texts hold nothing that COPY's text format would have escaped.
    return ("\t".join("\\N" if value is None else str(value) for value in values) + "\n").encode()


def _binary(row: Row) -> bytes:
    play_id, user_id, song_id, played_at, ms_played, offset, source = row
    micros = round((played_at - _EPOCH).total_seconds() * 1_000_000)
    return b"".join(
        (
            struct.pack("!hi16siqiqiq", len(COLUMNS), 16, play_id.bytes, 8, user_id, 8, song_id, 8, micros),
            _sized(ms_played, lambda value: struct.pack("!i", value)),
            _sized(offset, lambda value: struct.pack("!h", value)),
            _sized(source, lambda value: str(value).encode()),
            struct.pack("!i", -1),
        )
    )


def _sized(value: Any, packed: Callable[[Any], bytes]) -> bytes:
    if value is None:
        return struct.pack("!i", -1)
    raw = packed(value)
    return struct.pack("!i", len(raw)) + raw
