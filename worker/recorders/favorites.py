"""Favorites: the newest claim on each song of each user, tombstones included."""

from collections.abc import Hashable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import FavoriteEvent
from worker.database.statement import Statement, instant, read_instant, told
from worker.recorders.last_write_wins import Claim, Rank, one_row_per_key, resolve

_CURRENT: Final = Statement(
    """
    SELECT user_id, song_id, said_at, replace(CAST(event_id AS text), '-', '')
      FROM {rows} JOIN favorites AS stored USING (user_id, song_id)
     ORDER BY user_id, song_id {for_update}
    """,
    {"user_id": "bigint", "song_id": "bigint"},
)
_UPSERT: Final = Statement(
    """
    INSERT INTO favorites (user_id, song_id, said_at, reported_at, event_id, is_favorite)
    SELECT user_id, song_id, said_at, reported_at, event_id, is_favorite FROM {rows} WHERE true
     ORDER BY user_id, song_id
    ON CONFLICT (user_id, song_id) DO UPDATE
       SET said_at = excluded.said_at,
           reported_at = excluded.reported_at,
           event_id = excluded.event_id,
           is_favorite = excluded.is_favorite,
           updated_at = CURRENT_TIMESTAMP
     WHERE (excluded.said_at, excluded.event_id) >= (favorites.said_at, favorites.event_id)
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
    favorite: FavoriteEvent
    user_id: int
    song_id: int


def record_favorites(connection: Connection, favorites: Sequence[FavoriteToRecord]) -> dict[str, Outcome]:
    """Write the newest claim on each song, and tell what became of each entry."""
    if not favorites:
        return {}
    claims = [_claim(favorite) for favorite in favorites]
    current: dict[Hashable, Rank] = {
        (user_id, song_id): Rank(read_instant(said_at), event_id)
        for user_id, song_id, said_at, event_id in _CURRENT.run(connection, one_row_per_key(claims))
    }
    resolution = resolve(claims, current=current)
    if resolution.winners:
        _UPSERT.run(connection, resolution.winners)
    return resolution.outcomes


def _claim(recorded: FavoriteToRecord) -> Claim:
    favorite = recorded.favorite
    event_id = favorite.id.replace("-", "")
    row: dict[str, Any] = {
        "user_id": recorded.user_id,
        "song_id": recorded.song_id,
        "said_at": instant(favorite.time.at),
        "event_id": event_id,
        "is_favorite": favorite.favorite,
    }
    if favorite.time.reported_at is not None:
        row |= told(favorite.time.reported_at)
    return Claim(
        recorded.entry_id,
        (recorded.user_id, recorded.song_id),
        Rank(favorite.time.at, event_id),
        favorite.favorite,
        row,
    )
