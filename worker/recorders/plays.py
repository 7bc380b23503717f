"""Plays: insert-only, each recognised by its event id and by who heard what when."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from worker.events import Play
from worker.outcome import Outcome
from worker.recorders.rows import Statement, instant, told

_INSERT: Final = Statement(
    """
    INSERT INTO play_history
           (id, user_id, song_id, played_at, told_at, ms_played, utc_offset_minutes, source, context)
    SELECT  id, user_id, song_id, played_at, told_at, ms_played, utc_offset_minutes, source, context
      FROM {rows} WHERE true
     ORDER BY user_id, played_at, song_id, id
    ON CONFLICT DO NOTHING
    RETURNING replace(CAST(id AS text), '-', '')
    """,
    {
        "id": "uuid",
        "user_id": "bigint",
        "song_id": "bigint",
        "played_at": "timestamptz",
        "told_at": "timestamptz",
        "ms_played": "integer",
        "utc_offset_minutes": "smallint",
        "source": "text",
        "context": "jsonb",
    },
)


class PlayToRecord(NamedTuple):
    entry_id: str
    play: Play
    user_id: int
    song_id: int


class RecordedPlays(NamedTuple):
    """What became of each entry, and the plays that were new."""

    outcomes: dict[str, Outcome]
    new: list[PlayToRecord]


def record_plays(connection: Connection, plays: Sequence[PlayToRecord]) -> RecordedPlays:
    """Store what is new. The first one stored stands: no later event with the same id or the same moment changes it."""
    rows = [_row(play) for play in plays]
    stored = {row_id for (row_id,) in _INSERT.run(connection, rows)} if rows else set()
    if len(stored) == len(plays):
        return RecordedPlays(dict.fromkeys((play.entry_id for play in plays), Outcome.RECORDED), list(plays))
    outcomes: dict[str, Outcome] = {}
    new: list[PlayToRecord] = []
    for play, row in zip(plays, rows, strict=True):
        if row["id"] in stored:
            # A second entry of this batch with the same id met the first one.
            stored.remove(row["id"])
            outcomes[play.entry_id] = Outcome.RECORDED
            new.append(play)
        else:
            outcomes[play.entry_id] = Outcome.DUPLICATE
    return RecordedPlays(outcomes, new)


def _row(recorded: PlayToRecord) -> dict[str, Any]:
    play = recorded.play
    at, offset_minutes, told_at = play.time
    row = {
        "id": play.id.replace("-", ""),
        "user_id": recorded.user_id,
        "song_id": recorded.song_id,
        "played_at": instant(at),
        "ms_played": play.ms_played,
        "utc_offset_minutes": offset_minutes,
        "source": play.source,
        "context": play.context,
    }
    return row if told_at is None else row | told(told_at)
