"""Record plays: insert-only, each recognised by (user, event id) and by (user, moment, song)."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from worker.books import Outcome
from worker.database.copy import copy_rows
from worker.database.statement import Statement, read_instant
from worker.recorders.corrected_plays import judge_corrected
from worker.recorders.play_to_record import PlayToRecord, hex_of

_COPIED: Final = {
    "user_id": "int8",
    "played_at": "timestamptz",
    "song_id": "int8",
    "id": "bytea",
    "reported_at": "timestamptz",
    "ms_played": "int4",
    "duration_ms": "int4",
    "track_id": "int8",
    "utc_offset_minutes": "int2",
    "source": "text",
    "context": "jsonb",
}
_INSERT: Final = Statement(
    """
    INSERT INTO play_history
           (user_id, played_at, song_id, id, reported_at, ms_played, duration_ms, track_id, utc_offset_minutes, source,
            context)
    SELECT  user_id, played_at, song_id, id, reported_at, ms_played, duration_ms, track_id, utc_offset_minutes, source,
            context
      FROM {rows} WHERE true
     ORDER BY user_id, played_at, song_id, id
    ON CONFLICT DO NOTHING
    RETURNING user_id, played_at, song_id, replace(CAST(id AS text), '-', '')
    """,
    {
        "user_id": "bigint",
        "played_at": "timestamptz",
        "song_id": "bigint",
        "id": "uuid",
        "reported_at": "timestamptz",
        "ms_played": "integer",
        "duration_ms": "integer",
        "track_id": "bigint",
        "utc_offset_minutes": "smallint",
        "source": "text",
        "context": "jsonb",
    },
)
# The stored plays with the ids of these; without those that are stored themselves, under whatever id.
_SAME_ID: Final = Statement(
    """
    SELECT incoming.entry_id, stored.song_id, stored.played_at, stored.reported_at
      FROM {rows} JOIN play_history AS stored ON stored.id = incoming.id AND stored.user_id = incoming.user_id
     WHERE NOT EXISTS (
           SELECT 1 FROM play_history AS itself
            WHERE itself.user_id = incoming.user_id AND itself.played_at = incoming.played_at
              AND itself.song_id = incoming.song_id)
    """,
    {"entry_id": "text", "id": "uuid", "user_id": "bigint", "played_at": "timestamptz", "song_id": "bigint"},
)
_UNIQUE_VIOLATION: Final = "23505"


class RecordedPlays(NamedTuple):
    """The plays that were new, and the outcome of each entry. Outcome.DEAD: its id is that of another play."""

    outcomes: dict[str, Outcome]
    new: list[PlayToRecord]


class CopyPolicy:
    """Whether to try COPY: nearly all batches hold only new plays, and COPY costs two thirds of INSERT … ON CONFLICT.

    A single stored play undoes the whole COPY. Duplicates come in runs, as when a history is published again, so after
    one the next batches are inserted.
    """

    _INSERTED_BATCHES: Final = 20

    def __init__(self) -> None:
        self._batches_to_insert = 0

    def try_copy(self) -> bool:
        self._batches_to_insert = max(0, self._batches_to_insert - 1)
        return not self._batches_to_insert

    def saw_duplicate(self) -> None:
        self._batches_to_insert = self._INSERTED_BATCHES


def record_plays(connection: Connection, plays: Sequence[PlayToRecord], policy: CopyPolicy) -> RecordedPlays:
    """Store the new plays. The first one stored stands: no later event with the same id or moment changes it.

    A user's play with the id of a stored one is a duplicate if it is the same play, and cannot be recorded otherwise. A
    play that its user has deleted or edited counts as stored.
    """
    if not plays:
        return RecordedPlays({}, [])
    outcomes = judge_corrected(connection, plays)
    # In key order: two transactions that write the same plays in different orders deadlock.
    ordered = sorted((play for play in plays if play.entry_id not in outcomes), key=itemgetter(0, 1, 2, 3))
    new = (_copied(connection, ordered, policy) or _inserted(connection, ordered)) if ordered else []
    outcomes |= dict.fromkeys([play.entry_id for play in new], Outcome.RECORDED)
    rest = [play for play in plays if play.entry_id not in outcomes] if len(outcomes) < len(plays) else []
    conflicts = _with_the_id_of_another(connection, rest)
    for play in rest:
        outcomes[play.entry_id] = Outcome.DEAD if play.entry_id in conflicts else Outcome.DUPLICATE
    return RecordedPlays(outcomes, new)


def _copied(connection: Connection, plays: list[PlayToRecord], policy: CopyPolicy) -> list[PlayToRecord]:
    """Copy the plays and return them. If one of them is stored already, store nothing and return nothing."""
    if connection.dialect.name != "postgresql" or not policy.try_copy():
        return []
    first = _first_of_equals(plays)
    try:
        with connection.begin_nested():
            copy_rows(connection, "play_history", _COPIED, map(_copy_row, first))
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        policy.saw_duplicate()
        return []
    return first


def _first_of_equals(plays: Iterable[PlayToRecord]) -> list[PlayToRecord]:
    """Keep the first of plays with the same id or key, as INSERT would."""
    kept: list[PlayToRecord] = []
    ids: set[tuple[int, str]] = set()
    key = None
    for play in plays:
        user_id, _, _, play_id, *_ = play
        if (this := play[:3]) != key and (user_id, play_id) not in ids:
            kept.append(play)
            ids.add((user_id, play_id))
            key = this
    return kept


def _copy_row(play: PlayToRecord) -> Sequence[Any]:
    user_id, at, song_id, play_id, reported_at, ms_played, duration_ms, track_id, offset_minutes, *rest = play
    source, context, _ = rest
    id_ = bytes.fromhex(hex_of(play_id))
    json = None if context is None else Jsonb(context)
    return user_id, at, song_id, id_, reported_at, ms_played, duration_ms, track_id, offset_minutes, source, json


def _inserted(connection: Connection, plays: list[PlayToRecord]) -> list[PlayToRecord]:
    """Insert the plays that are not stored yet, and return those."""
    stored = {
        (user_id, read_instant(played_at), song_id, play_id)
        for user_id, played_at, song_id, play_id in _INSERT.run(connection, map(PlayToRecord.as_row, plays))
    }
    new: list[PlayToRecord] = []
    for play in plays:
        row = (*play[:3], hex_of(play.id))
        if row in stored:
            # An equal play later in this batch is a duplicate of this one.
            stored.remove(row)
            new.append(play)
    return new


def _with_the_id_of_another(connection: Connection, plays: Sequence[PlayToRecord]) -> set[str]:
    """Return the entries of those plays whose id their user has given to another play, which is stored."""
    if not plays:
        return set()
    by_entry = {play.entry_id: play for play in plays}
    return {
        entry_id
        for entry_id, *stored in _SAME_ID.run(connection, map(PlayToRecord.as_row, plays))
        if not by_entry[entry_id].is_same_as(*stored)
    }
