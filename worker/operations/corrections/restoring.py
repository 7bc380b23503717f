"""Take the latest correction of plays back: a deleted play counts again, an edited one is as it was before."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine, and_, delete, exists, select, update
from sqlalchemy.orm import aliased

from worker.database.engine import transaction
from worker.database.statement import Statement, instant
from worker.models import CorrectedPlay, PlayHistory
from worker.operations.corrections.versions import Version, in_parts, lock, values_of
from worker.recorders.stale_days import mark_stale_days

_INSERT: Final = Statement(
    """
    INSERT INTO play_history
           (user_id, played_at, song_id, id, track_id, reported_at, ms_played, duration_ms, utc_offset_minutes, source,
            context, created_at)
    SELECT  user_id, played_at, song_id, id, track_id, reported_at, ms_played, duration_ms, utc_offset_minutes, source,
            context, created_at
      FROM {rows} WHERE true ORDER BY user_id, played_at, song_id, id
    """,
    {
        "user_id": "bigint",
        "played_at": "timestamptz",
        "song_id": "bigint",
        "id": "uuid",
        "reported_at": "timestamptz",
        "ms_played": "integer",
        "track_id": "bigint",
        "duration_ms": "integer",
        "utc_offset_minutes": "smallint",
        "source": "text",
        "context": "jsonb",
        "created_at": "timestamptz",
    },
)


@dataclass
class Restored:
    """How many plays have lost their latest correction. `taken` counts those whose id, or moment and song, is taken."""

    restored: int = 0
    taken: int = 0


def restore(
    engine: Engine, user_id: int, ids: Iterable[UUID], *, restored: Callable[[int], object] = lambda _: None
) -> Restored:
    """Take back the latest correction of each play, in parts, each in a transaction. Other plays stay as they are.

    `restored` is called after each part with its number of ids.
    """
    done = Restored()
    for part in in_parts(ids):
        with transaction(engine) as session:
            _restore(session.connection(), user_id, part, done)
        restored(len(part))
    return done


def _restore(connection: Connection, user_id: int, ids: Sequence[UUID], done: Restored) -> None:
    if not lock(connection, user_id):
        return
    latest = _latest(connection, user_id, ids)
    free = _free(connection, user_id, latest)
    later = aliased(CorrectedPlay)
    is_later = and_(later.user_id == user_id, later.id == CorrectedPlay.id, later.number > CorrectedPlay.number)
    ids_of_free = [version["id"] for version in free]
    # Before the plays return: `zik_play_returns` takes away what is deleted.
    connection.execute(
        delete(CorrectedPlay).where(
            CorrectedPlay.user_id == user_id, CorrectedPlay.id.in_(ids_of_free), ~exists().where(is_later)
        )
    )
    deleted = [version for version in free if version["is_deletion"]]
    if deleted:
        # One statement for all: `zik_play_returns` looks once for each.
        _INSERT.run(connection, [_play_row(version) for version in deleted])
        mark_stale_days(connection, [(user_id, each["played_at"], each["utc_offset_minutes"]) for each in deleted])
    for version in free:
        if not version["is_deletion"]:
            own = (PlayHistory.user_id == user_id, PlayHistory.id == version["id"])
            connection.execute(update(PlayHistory).where(*own).values(values_of(version)))
    done.restored += len(free)
    done.taken += len(latest) - len(free)


def _latest(connection: Connection, user_id: int, ids: Sequence[UUID]) -> Sequence[Version]:
    """The plays as they were before the latest correction of each."""
    versions = select(*CorrectedPlay.__table__.c).where(CorrectedPlay.user_id == user_id, CorrectedPlay.id.in_(ids))
    rows = connection.execute(versions.order_by(CorrectedPlay.id, CorrectedPlay.number)).mappings()
    return list({row["id"]: row for row in rows}.values())


def _free(connection: Connection, user_id: int, versions: Sequence[Version]) -> Sequence[Version]:
    """Those whose id and whose moment and song no other play has: only SQL by hand can have put one there."""
    stored = select(PlayHistory.id, PlayHistory.played_at, PlayHistory.song_id).where(PlayHistory.user_id == user_id)
    # By the moment alone: PostgreSQL would compare a list of pairs with each play of the user.
    moments = {version["played_at"] for version in versions}
    same_moment = connection.execute(stored.where(PlayHistory.played_at.in_(moments)))
    owners: dict[Any, UUID] = {(at, song_id): play_id for play_id, at, song_id in same_moment}
    ids = [version["id"] for version in versions if version["is_deletion"]]
    taken = set(connection.scalars(stored.where(PlayHistory.id.in_(ids))))
    return [
        version
        for version in versions
        if version["id"] not in taken
        and owners.get((version["played_at"], version["song_id"]), version["id"]) == version["id"]
    ]


def _play_row(version: Version) -> dict[str, Any]:
    return {
        **values_of(version),
        "id": version["id"].hex,
        "user_id": version["user_id"],
        "played_at": instant(version["played_at"]),
        "reported_at": version["reported_at"] and instant(version["reported_at"]),
        "created_at": instant(version["recorded_at"]),
    }
