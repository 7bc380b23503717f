"""Preferences: the newest claim on each key of each user, tombstones included."""

from collections.abc import Hashable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import PreferenceEvent
from worker.contract.json_limits import compact_json
from worker.database.statement import Statement, instant, read_instant, told
from worker.recorders.last_write_wins import Claim, Rank, one_row_per_key, resolve

_CURRENT: Final = Statement(
    """
    SELECT user_id, key, said_at, replace(CAST(event_id AS text), '-', '')
      FROM {rows} JOIN preferences AS stored USING (user_id, key)
     ORDER BY user_id, key {for_update}
    """,
    {"user_id": "bigint", "key": "text"},
)
_UPSERT: Final = Statement(
    """
    INSERT INTO preferences (user_id, key, said_at, reported_at, event_id, value)
    SELECT user_id, key, said_at, reported_at, event_id, value FROM {rows} WHERE true ORDER BY user_id, key
    ON CONFLICT (user_id, key) DO UPDATE
       SET said_at = excluded.said_at,
           reported_at = excluded.reported_at,
           event_id = excluded.event_id,
           value = excluded.value,
           updated_at = CURRENT_TIMESTAMP
     WHERE (excluded.said_at, excluded.event_id) >= (preferences.said_at, preferences.event_id)
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
    preference: PreferenceEvent
    user_id: int


def record_preferences(connection: Connection, preferences: Sequence[PreferenceToRecord]) -> dict[str, Outcome]:
    """Write the newest claim on each key, and tell what became of each entry."""
    if not preferences:
        return {}
    claims = [_claim(preference) for preference in preferences]
    current: dict[Hashable, Rank] = {
        (user_id, key): Rank(read_instant(said_at), event_id)
        for user_id, key, said_at, event_id in _CURRENT.run(connection, one_row_per_key(claims))
    }
    resolution = resolve(claims, current=current)
    if resolution.winners:
        _UPSERT.run(connection, resolution.winners)
    return resolution.outcomes


def _claim(recorded: PreferenceToRecord) -> Claim:
    preference = recorded.preference
    event_id = preference.id.replace("-", "")
    row: dict[str, Any] = {
        "user_id": recorded.user_id,
        "key": preference.key,
        "said_at": instant(preference.time.at),
        "event_id": event_id,
        "value": preference.value,
    }
    if preference.time.reported_at is not None:
        row |= told(preference.time.reported_at)
    return Claim(
        recorded.entry_id,
        (recorded.user_id, preference.key),
        Rank(preference.time.at, event_id),
        compact_json(preference.value),
        row,
    )
