from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Index, String, Text, and_, literal_column, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from worker.contract.identity import album_identity, artist_identity, song_identity
from worker.models.base import Base, Id, TimestampMixin, owned_by

if TYPE_CHECKING:
    from worker.models.favorite import Favorite
    from worker.models.play import PlayHistory

_UNFILED: Final = text("artist_identity IS NULL OR (album_identity IS NULL AND album IS NOT NULL)")
# Only what has the length of a UUID: anything may stand there, and PostgreSQL indexes keys up to 2,704 bytes.
_MBID: Final = "lower(attributes ->> 'mbid')"
_LIKE_A_UUID: Final = "length(attributes ->> 'mbid') = 36"


def _identity(identity: Callable[..., str], *names: str) -> Callable[[DefaultExecutionContext], UUID | None]:
    """A default by the event contract, from the named columns; null without them."""

    def default(context: DefaultExecutionContext) -> UUID | None:
        given: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call] # SQLAlchemy's own
        values = [given.get(name) for name in names]
        return UUID(identity(*values)) if all(values) else None

    return default


_song: Final = _identity(song_identity, "artist", "title")
_artist: Final = _identity(artist_identity, "artist")
_album: Final = _identity(album_identity, "artist", "album")


class Song(TimestampMixin, Base):
    """A song, identified by artist and title alone. Other facts fill gaps and never replace a value.

    `title` and `artist` keep the first spelling. `attributes` is a flat map of outside ids (isrc, mbid, …).
    """

    __tablename__ = "songs"
    __table_args__ = (
        # Holds only the songs that a sweep has still to file.
        Index("ix_songs_unfiled", "id", postgresql_where=_UNFILED, sqlite_where=_UNFILED),
        Index("ix_songs_mbid", text(_MBID), postgresql_where=text(_LIKE_A_UUID), sqlite_where=text(_LIKE_A_UUID)),
        # Otherwise SQLite reuses a deleted song's id, and a worker that still knows the id stores plays for the wrong
        # song.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    identity: Mapped[UUID] = mapped_column(unique=True, default=_song)
    duration_ms: Mapped[int | None]
    title: Mapped[str] = mapped_column(Text)
    artist: Mapped[str] = mapped_column(Text)
    album: Mapped[str | None] = mapped_column(String(500))
    # Top artists and albums group by these. Null until `worker.statistics.rollups.filing` files a song that a release
    # without these columns, or a person, inserted.
    artist_identity: Mapped[UUID | None] = mapped_column(default=_artist)
    album_identity: Mapped[UUID | None] = mapped_column(default=_album)
    attributes: Mapped[dict[str, Any] | None]

    plays: Mapped[list["PlayHistory"]] = owned_by("song")
    favorites: Mapped[list["Favorite"]] = owned_by("song")

    @classmethod
    def named(cls, artist: str, title: str, **known: Any) -> "Song":
        """Build a song that has its identities already. `Song(…)` gets them when it is inserted."""
        album = known.get("album")
        return cls(
            identity=UUID(song_identity(artist, title)),
            artist_identity=UUID(artist_identity(artist)),
            album_identity=UUID(album_identity(artist, album)) if album else None,
            artist=artist,
            title=title,
            **known,
        )

    @classmethod
    def has_mbid(cls, mbid: UUID) -> ColumnElement[bool]:
        """Whether the song has this MusicBrainz id of a recording, in either case: a condition that uses the index.

        Several songs may have it, because players spell artist and title in different ways.
        """
        return and_(literal_column(_MBID) == str(mbid), literal_column(_LIKE_A_UUID))
