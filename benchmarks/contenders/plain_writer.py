"""A competent set-based writer without zik: what celery-batches and the ListenBrainz-shaped consumer share.

Known users and songs are remembered, unknown ones upserted, and the plays of one message or flush stored by one
multi-row INSERT … ON CONFLICT. It validates nothing, buries nothing, keeps no books and marks no stale days.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from worker.contract.identity import song_identity

_PLAY: Final = "(%s, %s, %s, %s, %s, %s)"


class PlainWriter:
    """Writes events through one connection. Make it after fork."""

    def __init__(self, uri: str) -> None:
        self._connection: psycopg.Connection[Any] = psycopg.connect(uri)
        self._users: dict[str, int] = {}
        self._songs: dict[str, int] = {}

    def write(self, events: Sequence[dict[str, Any]]) -> None:
        """Store the plays and commit. New users and songs are committed before, so that no two writers deadlock."""
        identified = [(song_identity(event["song"]["artist"], event["song"]["title"]), event) for event in events]
        self._meet_users({event["user"] for event in events} - self._users.keys())
        self._meet_songs({identity: event["song"] for identity, event in identified if identity not in self._songs})
        rows = sorted(
            (self._users[event["user"]], event["time"], self._songs[identity], event["id"], event.get("ms_played"))
            for identity, event in identified
        )
        values = [
            value
            for (user_id, at, song_id, event_id, ms_played) in rows
            for value in (event_id, user_id, song_id, at, ms_played, None)
        ]
        self._connection.execute(
            "INSERT INTO play_history (id, user_id, song_id, played_at, ms_played, source) VALUES "  # noqa: S608 -- placeholders
            f"{', '.join([_PLAY] * len(rows))} ON CONFLICT DO NOTHING",
            values,
        )
        self._connection.commit()

    def _meet_users(self, names: set[str]) -> None:
        if not names:
            return
        ordered = sorted(names)
        self._connection.execute(
            "INSERT INTO app_users (username) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING", [ordered]
        )
        self._users.update(
            self._connection.execute("SELECT username, id FROM app_users WHERE username = ANY(%s)", [ordered])
        )
        self._connection.commit()

    def _meet_songs(self, songs: dict[str, dict[str, Any]]) -> None:
        if not songs:
            return
        ordered = sorted(songs.items())
        columns = [
            [identity for identity, _ in ordered],
            *([song.get(name) for _, song in ordered] for name in ("artist", "title", "album", "duration_ms")),
        ]
        self._connection.execute(
            "INSERT INTO songs (identity, artist, title, album, duration_ms) "
            "SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::integer[]) "
            "ON CONFLICT DO NOTHING",
            columns,
        )
        self._songs.update(
            self._connection.execute(
                "SELECT replace(identity::text, '-', ''), id FROM songs WHERE identity = ANY(%s::uuid[])", [columns[0]]
            )
        )
        self._connection.commit()


def parsed(messages: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]
