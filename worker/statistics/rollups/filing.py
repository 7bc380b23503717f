"""File songs under their artist, and tracks under their album, where a person or a release before 0.3 wrote them."""

from sqlalchemy import Connection, select

from worker.contract.identity import artist_identity
from worker.models import Song
from worker.statistics import statements


def file_songs(connection: Connection, *, most: int) -> int:
    """Fill in the missing identities of up to `most` songs. Returns how many there were."""
    # SKIP LOCKED, because recorders lock songs in another order, and waiting for them could deadlock.
    unfiled = select(Song.id, Song.artist).where(Song.is_filed.is_(False)).order_by(Song.id).limit(most)
    rows = [
        {
            "id": song_id,
            "artist_identity": artist_identity(artist),
        }
        for song_id, artist in connection.execute(unfiled.with_for_update(skip_locked=True))
    ]
    if rows:
        statements.run(connection, "file_songs", rows)
    return len(rows)
