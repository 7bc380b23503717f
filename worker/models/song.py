from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.contract.identity import album_identity, artist_identity, song_identity
from worker.models.base import Base, Id, TimestampMixin

_UNFILED: Final = text("artist_identity IS NULL OR (album_identity IS NULL AND album IS NOT NULL)")


class Song(TimestampMixin, Base):
    """A song, identified by artist and title alone. Other facts fill gaps and never replace a value.

    `title` and `artist` keep the first spelling. `attributes` is a flat map of outside ids (isrc, mbid, …).
    """

    __tablename__ = "songs"
    __table_args__ = (
        # Holds only the songs that a sweep has still to file.
        Index("ix_songs_unfiled", "id", postgresql_where=_UNFILED, sqlite_where=_UNFILED),
        # Otherwise SQLite reuses a deleted song's id, and a worker that still knows the id stores plays for the wrong
        # song.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    identity: Mapped[UUID] = mapped_column(unique=True)
    duration_ms: Mapped[int | None]
    title: Mapped[str] = mapped_column(Text)
    artist: Mapped[str] = mapped_column(Text)
    album: Mapped[str | None] = mapped_column(String(500))
    # Top artists and albums group by these. Null until `worker.statistics.rollups.filing` files a song that a release
    # without these columns, or a person, inserted.
    artist_identity: Mapped[UUID | None]
    album_identity: Mapped[UUID | None]
    attributes: Mapped[dict[str, Any] | None]

    @classmethod
    def named(cls, artist: str, title: str, **known: Any) -> "Song":
        """Build a song with the identities that the event contract defines."""
        album = known.get("album")
        return cls(
            identity=UUID(song_identity(artist, title)),
            artist_identity=UUID(artist_identity(artist)),
            album_identity=UUID(album_identity(artist, album)) if album else None,
            artist=artist,
            title=title,
            **known,
        )
