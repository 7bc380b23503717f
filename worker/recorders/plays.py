"""Record plays: insert-only, each recognised by its event id and by (user, moment, song)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from worker.books import Outcome
from worker.contract.events import PlayEvent
from worker.database.copy import copy_rows
from worker.database.statement import Statement, instant, read_instant

_COPIED: Final = {
    "user_id": "int8",
    "played_at": "timestamptz",
    "song_id": "int8",
    "id": "bytea",
    "reported_at": "timestamptz",
    "ms_played": "int4",
    "utc_offset_minutes": "int2",
    "source": "text",
    "context": "jsonb",
}
_INSERT: Final = Statement(
    """
    INSERT INTO play_history
           (user_id, played_at, song_id, id, reported_at, ms_played, utc_offset_minutes, source, context)
    SELECT  user_id, played_at, song_id, id, reported_at, ms_played, utc_offset_minutes, source, context
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
        "utc_offset_minutes": "smallint",
        "source": "text",
        "context": "jsonb",
    },
)
_UNIQUE_VIOLATION: Final = "23505"


class PlayToRecord(NamedTuple):
    """A row of `play_history`, its natural key first, and the stream entry that it comes from."""

    user_id: int
    played_at: datetime
    song_id: int
    id: str
    reported_at: datetime | None
    ms_played: int | None
    utc_offset_minutes: int | None
    source: str | None
    context: dict[str, Any] | None
    entry_id: str

    @classmethod
    def of(cls, entry_id: str, play: PlayEvent, user_id: int, song_id: int) -> "PlayToRecord":
        time = play.time
        return cls._make(
            (
                user_id, time.at, song_id, play.id, time.reported_at, play.ms_played, time.offset_minutes, play.source,
                play.context, entry_id,
            )
        )  # fmt: skip


class RecordedPlays(NamedTuple):
    """The outcome of each entry, and the plays that were new."""

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
    """Store the new plays. The first one stored stands: no later event with the same id or moment changes it."""
    if not plays:
        return RecordedPlays({}, [])
    # In key order: two transactions that write the same plays in different orders deadlock.
    ordered = sorted(plays, key=itemgetter(0, 1, 2, 3))
    new = _copied(connection, ordered, policy) or _inserted(connection, ordered)
    outcomes = dict.fromkeys([play.entry_id for play in new], Outcome.RECORDED)
    for play in plays if len(new) < len(plays) else ():
        outcomes.setdefault(play.entry_id, Outcome.DUPLICATE)
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
    """Keep the first of plays with the same id or key; the others are duplicates of it."""
    kept: list[PlayToRecord] = []
    ids: set[str] = set()
    key = None
    for play in plays:
        if (this := play[:3]) != key and play.id not in ids:
            kept.append(play)
            ids.add(play.id)
            key = this
    return kept


def _copy_row(play: PlayToRecord) -> Sequence[Any]:
    user_id, at, song_id, play_id, reported_at, ms_played, offset_minutes, source, context, _ = play
    id_ = bytes.fromhex(_hex(play_id))
    json = None if context is None else Jsonb(context)
    return user_id, at, song_id, id_, reported_at, ms_played, offset_minutes, source, json


def _inserted(connection: Connection, plays: list[PlayToRecord]) -> list[PlayToRecord]:
    """Insert the plays that are not stored yet, and return those."""
    stored = {
        (user_id, read_instant(played_at), song_id, play_id)
        for user_id, played_at, song_id, play_id in _INSERT.run(connection, map(_json_row, plays))
    }
    new: list[PlayToRecord] = []
    for play in plays:
        row = (*play[:3], _hex(play.id))
        if row in stored:
            # An equal play later in this batch is a duplicate of this one.
            stored.remove(row)
            new.append(play)
    return new


def _hex(play_id: str) -> str:
    return play_id.replace("-", "")


def _json_row(play: PlayToRecord) -> dict[str, Any]:
    return {
        **play._asdict(),
        "id": _hex(play.id),
        "played_at": instant(play.played_at),
        "reported_at": play.reported_at and instant(play.reported_at),
    }
