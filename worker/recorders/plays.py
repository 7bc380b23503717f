"""Record plays: insert-only, each recognised by (user, event id) and by (user, moment, song)."""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from operator import itemgetter
from typing import Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from worker.books import Outcome
from worker.database.copy import copy_rows, microseconds
from worker.database.statement import Statement, read_instant
from worker.recorders.corrected_plays import judge_corrected
from worker.recorders.packed_plays import COLUMNS, packed
from worker.recorders.play_to_record import PlayToRecord, hex_of

_GIVEN: Final = """
    SELECT number
      FROM (SELECT id, user_id, timestamptz '2000-01-01 00:00Z' + at * interval '1 microsecond' AS played_at, song_id,
                   number
              FROM unnest(CAST(:ids AS uuid[]), CAST(:users AS bigint[]), CAST(:moments AS bigint[]),
                          CAST(:songs AS bigint[])) WITH ORDINALITY AS given (id, user_id, at, song_id, number)
           ) AS incoming
"""
_HAS_MOMENT: Final = """EXISTS (
           SELECT 1 FROM play_history AS stored
            WHERE stored.user_id = incoming.user_id AND stored.played_at = incoming.played_at
              AND stored.song_id = incoming.song_id LIMIT 1 OFFSET 0)
"""
_HAS_ID: Final = """EXISTS (
           SELECT 1 FROM play_history AS stored
            WHERE stored.id = incoming.id AND stored.user_id = incoming.user_id LIMIT 1 OFFSET 0)
"""
# Which of the given plays are stored, by their numbers: each play's keys are looked up one after the other. Arrays,
# because they cost half of JSON; OFFSET, so that PostgreSQL does not sooner read all plays.
_STORED: Final = text(f"{_GIVEN} WHERE {_HAS_ID} OR {_HAS_MOMENT}")
# Without the ids, which lie in no order, this takes half the time.
_STORED_BY_MOMENT: Final = text(f"{_GIVEN} WHERE {_HAS_MOMENT}")
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


class Search(IntEnum):
    """What is looked for before COPY, from the cheapest to the most thorough search."""

    NOTHING = 0
    MOMENTS = 1
    MOMENTS_AND_IDS = 2

    @property
    def more_thorough(self) -> "Search":
        return Search(min(self + 1, Search.MOMENTS_AND_IDS))


class CopyPolicy:
    """What to look for before COPY, which a single stored play undoes.

    Most batches hold only new plays. Duplicates come in runs, as when a history is published again, or all the time, as
    from players with a bad network; so after one they are looked for in the next batches, too. Nearly all have the
    moment of the stored play. A wrong clock, or an id that was used twice, is found only by id.
    """

    _CAREFUL_BATCHES: Final = 20

    def __init__(self) -> None:
        self._batches_left = {Search.MOMENTS: 0, Search.MOMENTS_AND_IDS: 0}

    def searches(self) -> list[Search]:
        """The searches to try until a COPY succeeds. Ask once a batch."""
        self._batches_left = {search: max(0, left - 1) for search, left in self._batches_left.items()}
        least = max((search for search, left in self._batches_left.items() if left), default=Search.NOTHING)
        return [search for search in Search if search >= least]

    def saw_duplicate(self, search: Search = Search.MOMENTS) -> None:
        """Note that a play is stored already. `search` is the least one that finds it."""
        self._batches_left[search] = self._CAREFUL_BATCHES


def record_plays(connection: Connection, plays: Sequence[PlayToRecord], policy: CopyPolicy) -> RecordedPlays:
    """Store the new plays. The first one stored stands: no later event with the same id or moment changes it.

    A user's play with the id of a stored one is a duplicate if it is the same play, and cannot be recorded otherwise. A
    play that its user has deleted or edited counts as stored.
    """
    if not plays:
        return RecordedPlays({}, [])
    outcomes = judge_corrected(connection, plays)
    to_record = [play for play in plays if play.entry_id not in outcomes] if outcomes else plays
    # In key order: two transactions that write the same plays in different orders deadlock.
    ordered = sorted(to_record, key=itemgetter(0, 1, 2, 3))
    new = _copied(connection, ordered, policy)
    if new is None:
        new = _inserted(connection, ordered)
    outcomes |= dict.fromkeys([play.entry_id for play in new], Outcome.RECORDED)
    rest = [play for play in plays if play.entry_id not in outcomes] if len(outcomes) < len(plays) else []
    conflicts = _with_the_id_of_another(connection, rest)
    for play in rest:
        outcomes[play.entry_id] = Outcome.DEAD if play.entry_id in conflicts else Outcome.DUPLICATE
    return RecordedPlays(outcomes, new)


def _copied(connection: Connection, plays: list[PlayToRecord], policy: CopyPolicy) -> list[PlayToRecord] | None:
    """Copy the plays that are not stored, and return those.

    None: nothing is stored, because this is not PostgreSQL, or another transaction keeps storing the same plays.
    """
    if connection.dialect.name != "postgresql":
        return None
    for search in policy.searches():
        new = _not_stored(connection, plays, search)
        if len(new) < len(plays):
            policy.saw_duplicate()
        first = _first_of_equals(new)
        if _is_copied(connection, first):
            return first
        policy.saw_duplicate(search.more_thorough)
    return None


def _not_stored(connection: Connection, plays: list[PlayToRecord], search: Search) -> list[PlayToRecord]:
    if search is Search.NOTHING:
        return plays
    given: dict[str, Iterable[object]] = {
        "ids": (play.id for play in plays) if search is Search.MOMENTS_AND_IDS else (),
        "users": (play.user_id for play in plays),
        "moments": (microseconds(play.played_at) for play in plays),
        "songs": (play.song_id for play in plays),
    }
    arrays = {name: f"{{{','.join(map(str, values))}}}" for name, values in given.items()}
    statement = _STORED if search is Search.MOMENTS_AND_IDS else _STORED_BY_MOMENT
    stored = set(connection.scalars(statement, arrays))
    return [play for number, play in enumerate(plays, start=1) if number not in stored] if stored else plays


def _is_copied(connection: Connection, plays: list[PlayToRecord]) -> bool:
    """Copy the plays, unless one of them is stored already: then none is."""
    if not plays:
        return True
    try:
        with connection.begin_nested():
            copy_rows(connection, "play_history", COLUMNS, packed(plays))
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        return False
    return True


def _first_of_equals(plays: Sequence[PlayToRecord]) -> list[PlayToRecord]:
    """Keep the first of plays with the same id or key, as INSERT would. They come in the order of their keys."""
    keys = [play[:3] for play in plays]
    differing = [play for play, key, before in zip(plays, keys, [None, *keys], strict=False) if key != before]
    # Nearly always: a player that repeats itself does so with the same key.
    if len({play.id for play in differing}) == len(differing):
        return differing
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
