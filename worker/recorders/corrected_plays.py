"""Recognise plays that their users have deleted or edited, so that they are not recorded again."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from worker.books import Outcome
from worker.database.statement import Statement
from worker.recorders.play_to_record import PlayToRecord

# Nearly all users have corrected nothing, and looking up a few users costs a tenth of looking up their plays. OFFSET,
# because PostgreSQL would otherwise read the corrections of all users.
_USERS: Final = Statement(
    """
    SELECT user_id FROM {rows}
     WHERE EXISTS (
           SELECT 1 FROM corrected_plays WHERE corrected_plays.user_id = incoming.user_id LIMIT 1 OFFSET 0)
    """,
    {"user_id": "bigint"},
)
# The second column says whether the play took the id of a deleted one. Not if it is stored itself, under another id.
_FIND: Final = Statement(
    """
    SELECT incoming.entry_id,
           known.is_deletion AND NOT EXISTS (
               SELECT 1 FROM play_history AS itself
                WHERE itself.user_id = incoming.user_id AND itself.played_at = incoming.played_at
                  AND itself.song_id = incoming.song_id),
           known.song_id, known.played_at, known.reported_at
      FROM {rows} JOIN corrected_plays AS known ON known.user_id = incoming.user_id AND known.id = incoming.id
     UNION
    SELECT incoming.entry_id, known.is_deletion, known.song_id, known.played_at, known.reported_at
      FROM {rows} JOIN corrected_plays AS known
        ON known.song_id = incoming.song_id AND known.user_id = incoming.user_id
       AND known.played_at = incoming.played_at
    """,
    {"entry_id": "text", "id": "uuid", "user_id": "bigint", "played_at": "timestamptz", "song_id": "bigint"},
)


def judge_corrected(connection: Connection, plays: Sequence[PlayToRecord]) -> dict[str, Outcome]:
    """The outcome of each play that meets one which its user has deleted or edited. Has none for the other plays.

    A play with the moment and song of a corrected play, or with its id and as good as the same time, is a duplicate.
    One that took the id of a deleted play is dead, as if that were still stored. The id of an edited play is stored.
    """
    users = _users_with_corrections(connection, plays)
    by_entry = {play.entry_id: play for play in plays if play.user_id in users}
    if not by_entry:
        return {}
    outcomes: dict[str, Outcome] = {}
    for entry_id, took_id, *known in _FIND.run(connection, map(PlayToRecord.as_row, by_entry.values())):
        if by_entry[entry_id].is_same_as(*known):
            outcomes[entry_id] = Outcome.DUPLICATE
        elif took_id:
            outcomes.setdefault(entry_id, Outcome.DEAD)
    return outcomes


def _users_with_corrections(connection: Connection, plays: Sequence[PlayToRecord]) -> set[int]:
    rows = [{"user_id": user_id} for user_id in sorted({play.user_id for play in plays})]
    return {row.user_id for row in _USERS.run(connection, rows)}
