"""File songs under their artist and album, where whoever wrote them did not: the previous release, or a hand."""

from typing import Final

from sqlalchemy import Connection, and_, or_, select

from worker.contract.identity import album_identity, artist_identity
from worker.database.statement import Statement
from worker.models import Song

_UNFILED: Final = or_(Song.artist_identity.is_(None), and_(Song.album_identity.is_(None), Song.album.is_not(None)))
_FILE: Final = Statement(
    """
    UPDATE songs SET artist_identity = incoming.artist_identity, album_identity = incoming.album_identity
      FROM {rows} WHERE songs.id = incoming.id
    """,
    {"id": "bigint", "artist_identity": "uuid", "album_identity": "uuid"},
)


def file_songs(connection: Connection, *, most: int) -> int:
    """Fill in what up to `most` songs lack. Returns how many there were."""
    # Locked without waiting: the recorders lock songs in an order of their own.
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
        _FILE.run(connection, rows)
    return len(rows)
