"""Record favorites: the newest claim on each song of each user wins, tombstones included."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import FavoriteEvent
from worker.database.statement import Statement
from worker.recorders.last_write_wins import make_claim, record_claims

_CURRENT: Final = Statement(
    """
    SELECT user_id, song_id, said_at,
           CASE WHEN stored.reported_at > stored.said_at THEN stored.reported_at ELSE stored.said_at END,
           replace(CAST(event_id AS text), '-', '')
      FROM {rows} JOIN favorites AS stored USING (user_id, song_id)
     ORDER BY user_id, song_id {for_update}
    """,
    {"user_id": "bigint", "song_id": "bigint"},
)
_UPSERT: Final = Statement(
    """
    INSERT INTO favorites AS stored (user_id, song_id, said_at, reported_at, event_id, is_favorite)
    SELECT user_id, song_id, said_at, reported_at, event_id, is_favorite FROM {rows} WHERE true
     ORDER BY user_id, song_id
    ON CONFLICT (user_id, song_id) DO UPDATE
       SET said_at = excluded.said_at,
           reported_at = excluded.reported_at,
           event_id = excluded.event_id,
           is_favorite = excluded.is_favorite,
           updated_at = CURRENT_TIMESTAMP
     WHERE (excluded.said_at,
            CASE WHEN excluded.reported_at > excluded.said_at THEN excluded.reported_at ELSE excluded.said_at END,
            excluded.event_id)
        >= (stored.said_at,
            CASE WHEN stored.reported_at > stored.said_at THEN stored.reported_at ELSE stored.said_at END,
            stored.event_id)
    """,
    {
        "user_id": "bigint",
        "song_id": "bigint",
        "said_at": "timestamptz",
        "reported_at": "timestamptz",
        "event_id": "uuid",
        "is_favorite": "boolean",
    },
)


class FavoriteToRecord(NamedTuple):
    entry_id: str
    event: FavoriteEvent
    user_id: int
    song_id: int


def record_favorites(connection: Connection, favorites: Sequence[FavoriteToRecord]) -> dict[str, Outcome]:
    """Write the newest claim on each song, and return the outcome of each entry."""
    claims = [
        make_claim(
            entry_id,
            event,
            key={"user_id": user_id, "song_id": song_id},
            value={"is_favorite": event.favorite},
            order=event.favorite,
        )
        for entry_id, event, user_id, song_id in favorites
    ]
    return record_claims(connection, claims, current=_CURRENT, upsert=_UPSERT)
