"""File songs under their artist and album, if the previous release or a person inserted them without identities."""

from typing import Final

from sqlalchemy import Connection, and_, or_, select

from worker.contract.identity import album_identity, artist_identity
from worker.models import Song
from worker.statistics import statements

_UNFILED: Final = or_(Song.artist_identity.is_(None), and_(Song.album_identity.is_(None), Song.album.is_not(None)))


def file_songs(connection: Connection, *, most: int) -> int:
    """Fill in the missing identities of up to `most` songs. Returns how many there were."""
    # SKIP LOCKED, because recorders lock songs in another order, and waiting for them could deadlock.
    unfiled = select(Song.id, Song.artist, Song.album).where(_UNFILED).order_by(Song.id).limit(most)
    rows = [
        {
            "id": song_id,
            "artist_identity": artist_identity(artist),
            "album_identity": album_identity(artist, album) if album is not None else None,
        }
        for song_id, artist, album in connection.execute(unfiled.with_for_update(skip_locked=True))
    ]
    if rows:
        statements.run(connection, "file_songs", rows)
    return len(rows)
