from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Index, String, Text, and_, exists, false, literal_column, or_, text
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, aliased, mapped_column

from worker.contract.identity import album_identity, artist_identity, song_identity, twin_identity
from worker.models.base import Base, Id, TimestampMixin, owned_by

if TYPE_CHECKING:
    from worker.models.favorite import Favorite
    from worker.models.play import PlayHistory

_UNFILED: Final = text("NOT is_filed")
_POINTS: Final = text("merged_into_id IS NOT NULL")
_MERGED: Final = text("counts_as_id IS NOT NULL")
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
_twin: Final = _identity(twin_identity, "artist", "title")
_artist: Final = _identity(artist_identity, "artist")
_album: Final = _identity(album_identity, "artist", "album")


class Song(TimestampMixin, Base):
    """A song, identified by artist and title alone. Other facts fill gaps and never replace a value.

    `title` and `artist` keep the first spelling. `attributes` is a flat map of outside ids (isrc, mbid, …).
    `duration_ms` and `album` are the first that a client sent, to be shown; statistics take those of each play.
    `duration_set_ms` is set by hand, and counts for all plays of the song.

    Songs that differ only in typography have the same `twin_identity`. `merged_into_id` is the song that this one is
    merged into, as a twin or by hand. `counts_as_id` follows these pointers to their end; both are null for a song that
    stands for itself. No foreign keys, because SQLite could not drop them again; the trigger `zik_song_leaves` does
    their work.
    """

    __tablename__ = "songs"
    __table_args__ = (
        # Holds only the songs that a sweep has still to file.
        Index("ix_songs_unfiled", "id", postgresql_where=_UNFILED, sqlite_where=_UNFILED),
        Index("ix_songs_counts_as_id", "counts_as_id", postgresql_where=_MERGED, sqlite_where=_MERGED),
        Index("ix_songs_merged_into_id", "merged_into_id", postgresql_where=_POINTS, sqlite_where=_POINTS),
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
    # Top artists group by this. Null until `worker.statistics.rollups.filing` files a song that a person, or a release
    # before 0.3, inserted.
    artist_identity: Mapped[UUID | None] = mapped_column(default=_artist, index=True)
    # Only releases before 0.3 read it.
    album_identity: Mapped[UUID | None] = mapped_column(default=_album)
    attributes: Mapped[dict[str, Any] | None]
    duration_set_ms: Mapped[int | None]
    twin_identity: Mapped[UUID | None] = mapped_column(default=_twin, index=True)
    merged_into_id: Mapped[int | None] = mapped_column(BigInteger)
    counts_as_id: Mapped[int | None] = mapped_column(BigInteger)
    # If false, a sweep still has to look for twins of this song, and to fill in what a release before 0.3 left out.
    is_filed: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Album and duration of plays that a release before 0.3 recorded: it kept them with the song. Never changed.
    legacy_track_id: Mapped[int | None] = mapped_column(BigInteger)
    legacy_duration_ms: Mapped[int | None]

    plays: Mapped[list["PlayHistory"]] = owned_by("song")
    favorites: Mapped[list["Favorite"]] = owned_by("song")

    @classmethod
    def named(cls, artist: str, title: str, **known: Any) -> "Song":
        """Build a song that has its identities already. `Song(…)` gets them when it is inserted."""
        album = known.get("album")
        return cls(
            identity=UUID(song_identity(artist, title)),
            twin_identity=UUID(twin_identity(artist, title)),
            artist_identity=UUID(artist_identity(artist)),
            album_identity=UUID(album_identity(artist, album)) if album else None,
            artist=artist,
            title=title,
            **known,
        )

    @classmethod
    def is_named(cls, artist: str, title: str) -> ColumnElement[bool]:
        """Whether it is the song of these names, or, if there is none, one that differs in typography alone."""
        identity, other = UUID(song_identity(artist, title)), aliased(cls)
        is_twin = cls.twin_identity == UUID(twin_identity(artist, title))
        return or_(cls.identity == identity, and_(is_twin, ~exists().where(other.identity == identity)))

    @classmethod
    def has_mbid(cls, mbid: UUID) -> ColumnElement[bool]:
        """Whether the song has this MusicBrainz id of a recording, in either case: a condition that uses the index.

        Several songs may have it, because players spell artist and title in different ways.
        """
        return and_(literal_column(_MBID) == str(mbid), literal_column(_LIKE_A_UUID))
