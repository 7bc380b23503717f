"""Take the latest correction of plays back: a deleted play counts again, an edited one is as it was before."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, insert, select, tuple_, update

from worker.database.engine import transaction
from worker.models import CorrectedPlay, PlayHistory
from worker.operations.corrections.versions import Version, in_parts, lock, values_of
from worker.recorders.stale_days import mark_stale_days


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
    key = tuple_(CorrectedPlay.id, CorrectedPlay.number)
    corrections = [(version["id"], version["number"]) for version in free]
    # Before the plays return: `zik_play_returns` takes away what is deleted.
    connection.execute(delete(CorrectedPlay).where(CorrectedPlay.user_id == user_id, key.in_(corrections)))
    deleted = [version for version in free if version["is_deletion"]]
    if deleted:
        connection.execute(insert(PlayHistory), [_play(version) for version in deleted])
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
    key = tuple_(PlayHistory.played_at, PlayHistory.song_id)
    stored = select(PlayHistory.id, PlayHistory.played_at, PlayHistory.song_id).where(PlayHistory.user_id == user_id)
    keys = [(version["played_at"], version["song_id"]) for version in versions]
    owners: dict[Any, UUID] = {
        (at, song_id): play_id for play_id, at, song_id in connection.execute(stored.where(key.in_(keys)))
    }
    ids = [version["id"] for version in versions if version["is_deletion"]]
    taken = set(connection.scalars(stored.where(PlayHistory.id.in_(ids))))
    return [
        version
        for version in versions
        if version["id"] not in taken
        and owners.get((version["played_at"], version["song_id"]), version["id"]) == version["id"]
    ]


def _play(version: Version) -> dict[str, Any]:
    own = {"id": version["id"], "user_id": version["user_id"], "created_at": version["recorded_at"]}
    return own | values_of(version)
