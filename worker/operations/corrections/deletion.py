"""Delete plays so that they stay deleted: no answer counts them, and no import brings them back."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, select
from sqlalchemy import delete as sql_delete

from worker.contract.identity import typed_user
from worker.database.engine import transaction
from worker.models import PlayHistory, Song, User
from worker.operations.corrections.versions import in_parts, lock

_SECOND: Final = timedelta(seconds=1)


def delete(
    engine: Engine, user_id: int, ids: Iterable[UUID], *, deleted: Callable[[int], object] = lambda _: None
) -> int:
    """Delete plays of a user in parts, each in a transaction. Returns how many counted until now.

    Interrupted, it may be called again with the same ids. `deleted` is called after each part with its number of ids.
    """
    total = 0
    for part in in_parts(ids):
        with transaction(engine) as session:
            total += _delete(session.connection(), user_id, part)
        deleted(len(part))
    return total


def delete_play(engine: Engine, username: str, played_at: datetime, song_identity: str) -> bool:
    """Delete the plays of a song that began in the second of `played_at`. Returns whether there was one that counted.

    By the second, because the protocols that delete listens know no smaller unit. A play that still waits in the stream
    is not found.
    """
    second = played_at.replace(microsecond=0)
    with transaction(engine) as session:
        connection = session.connection()
        user_id = connection.scalar(select(User.id).where(User.username == typed_user(username)))
        if user_id is None:
            return False
        ids = connection.scalars(
            select(PlayHistory.id)
            .join(Song, Song.id == PlayHistory.song_id)
            .where(
                PlayHistory.user_id == user_id,
                PlayHistory.played_at >= second,
                PlayHistory.played_at < second + _SECOND,
                Song.identity == UUID(song_identity),
            )
        ).all()
        return _delete(connection, user_id, ids) > 0


def _delete(connection: Connection, user_id: int, ids: Sequence[UUID]) -> int:
    """Delete the rows: the trigger `zik_play_corrected` keeps them, as it does when somebody else deletes them."""
    if not ids or not lock(connection, user_id):
        return 0
    return connection.execute(
        sql_delete(PlayHistory).where(PlayHistory.user_id == user_id, PlayHistory.id.in_(ids))
    ).rowcount
