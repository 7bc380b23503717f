"""Record a merge of songs or artists and take it back, by their identities."""

from typing import Final
from uuid import UUID

from sqlalchemy import Connection, delete, insert

from worker.database.locks import lock_writers
from worker.errors import MergeRefusedError
from worker.models import Merge
from worker.statistics.rollups.merges import Merges, merges_of, store_ends

# Recorders of new songs wait for as long, if another transaction does not let go of the songs.
_WAIT_MS: Final = 5_000


def lock_catalogue(connection: Connection) -> None:
    """Wait for those who record songs and tracks, and let them wait: none may miss what is said now."""
    lock_writers(connection, "songs", "tracks", wait_ms=_WAIT_MS)


def record_merge(
    connection: Connection, subject: str, identity: UUID, into: UUID, *, into_artist: str | None = None
) -> Merges:
    """Let one identity count as another. Returns all merges.

    Raises:
        MergeRefusedError: they count as one already, or the first is merged into another one.
    """
    merges = merges_of(connection, subject)
    if merges.end(identity) == merges.end(into):
        raise MergeRefusedError(f"the two count as one {subject} already", way_out="nothing was changed")
    if identity in merges.into:
        raise MergeRefusedError(
            f"the first {subject} is merged into another one",
            way_out=f"split it first, or merge the {subject} that it counts as",
        )
    row = {"subject": subject, "identity": identity, "into_identity": into, "into_artist": into_artist}
    connection.execute(insert(Merge).values(**row, counts_as_identity=merges.end(into)))
    return store_ends(connection, subject)


def take_merge_back(connection: Connection, subject: str, identity: UUID) -> Merges:
    """Let the identity count for itself again. Returns all merges that are left."""
    connection.execute(delete(Merge).where(Merge.subject == subject, Merge.identity == identity))
    return store_ends(connection, subject)
