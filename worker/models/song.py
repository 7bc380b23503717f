from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.contract.identity import album_identity, artist_identity, song_identity
from worker.models.base import Base, BigIntegerKey, TimestampMixin

_UNFILED: Final = text("artist_identity IS NULL OR (album_identity IS NULL AND album IS NOT NULL)")


class Song(TimestampMixin, Base):
    """A song, known by its artist and title alone; whatever else is known of it fills gaps.

    `title` and `artist` keep the spelling that came first. `attributes` is a flat map of outside ids (isrc, mbid, …).
    """

    __tablename__ = "songs"
    # SQLite would give a deleted song's id to the next one, and with it the plays of whoever remembers the old one.
    __table_args__ = (
        # Empty but for what waits to be filled in.
        Index("ix_songs_unfiled", "id", postgresql_where=_UNFILED, sqlite_where=_UNFILED),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    identity: Mapped[UUID] = mapped_column(unique=True)
    duration_ms: Mapped[int | None]
    title: Mapped[str] = mapped_column(Text)
    artist: Mapped[str] = mapped_column(Text)
    album: Mapped[str | None] = mapped_column(String(500))
    # What top artists and albums are told apart by. Null until `worker.statistics.rollups.filing` has seen a song that
    # a release without these columns, or a hand, has written.
    artist_identity: Mapped[UUID | None]
    album_identity: Mapped[UUID | None]
    attributes: Mapped[dict[str, Any] | None]

    @classmethod
    def named(cls, artist: str, title: str, **known: Any) -> "Song":
        """A new song with the identity that the event contract gives it."""
        album = known.get("album")
        return cls(
            identity=UUID(song_identity(artist, title)),
            artist_identity=UUID(artist_identity(artist)),
            album_identity=UUID(album_identity(artist, album)) if album else None,
            artist=artist,
            title=title,
            **known,
        )
