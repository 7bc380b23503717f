from typing import Any
from uuid import UUID

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.identity import song_identity
from worker.models.base import Base, BigIntegerKey, TimestampMixin


class Song(TimestampMixin, Base):
    """A song, known by its artist and title alone; whatever else is known of it fills gaps.

    `title` and `artist` keep the spelling that came first. `attributes` is a flat map of outside ids (isrc, mbid, …).
    """

    __tablename__ = "songs"
    # SQLite would give a deleted song's id to the next one, and with it the plays of whoever remembers the old one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    identity: Mapped[UUID] = mapped_column(unique=True)
    duration_ms: Mapped[int | None]
    title: Mapped[str] = mapped_column(Text)
    artist: Mapped[str] = mapped_column(Text)
    album: Mapped[str | None] = mapped_column(String(500))
    attributes: Mapped[dict[str, Any] | None]

    @classmethod
    def named(cls, artist: str, title: str, **known: Any) -> "Song":
        """A new song with the identity that the event contract gives it."""
        return cls(identity=UUID(song_identity(artist, title)), artist=artist, title=title, **known)
