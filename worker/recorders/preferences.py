"""Record preferences: the newest claim on each key of each user wins, tombstones included."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import PreferenceEvent
from worker.contract.json_limits import compact_json
from worker.database.statement import Statement
from worker.recorders.last_write_wins import make_claim, record_claims

_CURRENT: Final = Statement(
    """
    SELECT user_id, key, said_at,
           CASE WHEN stored.reported_at > stored.said_at THEN stored.reported_at ELSE stored.said_at END,
           replace(CAST(event_id AS text), '-', '')
      FROM {rows} JOIN preferences AS stored USING (user_id, key)
     ORDER BY user_id, key {for_update}
    """,
    {"user_id": "bigint", "key": "text"},
)
_UPSERT: Final = Statement(
    """
    INSERT INTO preferences AS stored (user_id, key, said_at, reported_at, event_id, value)
    SELECT user_id, key, said_at, reported_at, event_id, value FROM {rows} WHERE true ORDER BY user_id, key
    ON CONFLICT (user_id, key) DO UPDATE
       SET said_at = excluded.said_at,
           reported_at = excluded.reported_at,
           event_id = excluded.event_id,
           value = excluded.value,
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
        "key": "text",
        "said_at": "timestamptz",
        "reported_at": "timestamptz",
        "event_id": "uuid",
        "value": "jsonb",
    },
)


class PreferenceToRecord(NamedTuple):
    entry_id: str
    event: PreferenceEvent
    user_id: int


def record_preferences(connection: Connection, preferences: Sequence[PreferenceToRecord]) -> dict[str, Outcome]:
    """Write the newest claim on each key, and return the outcome of each entry."""
    claims = [
        make_claim(
            entry_id,
            event,
            key={"user_id": user_id, "key": event.key},
            value={"value": event.value},
            order=compact_json(event.value),
        )
        for entry_id, event, user_id in preferences
    ]
    return record_claims(connection, claims, current=_CURRENT, upsert=_UPSERT)
