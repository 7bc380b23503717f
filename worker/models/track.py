from typing import Any
from uuid import UUID

from sqlalchemy import SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Id, SongFk, TimestampMixin, TrackFk


class Track(TimestampMixin, Base):
    """A song on an album, with the artists that a client named: what was sent with a play stays with the play.

    `identity` is a digest over song, album, album artist and artists, so that plays which name the same share a row.
    `album_identity` is what top albums group by: the album under its album artist, else under the first of `artists`,
    else under the song's artist. Null without an album. `merged_artist_identity` is what that artist counts as, if a
    person has merged it, or another one into it.
    """

    __tablename__ = "tracks"

    id: Mapped[Id]
    identity: Mapped[UUID] = mapped_column(unique=True)
    song_id: Mapped[SongFk] = mapped_column(index=True)
    album: Mapped[str | None] = mapped_column(String(500))
    album_artist: Mapped[str | None] = mapped_column(Text)
    # A list of names in order; null if the client named one artist as a text.
    artists: Mapped[Any | None]
    album_identity: Mapped[UUID | None] = mapped_column(index=True)
    merged_artist_identity: Mapped[UUID | None]


class TrackArtist(TimestampMixin, Base):
    """One of the artists that a client listed for a track. Each of them counts in top artists.

    An artist who is listed in two spellings has one row, the first, because two would count twice. Only tracks with
    `artists` have rows. All other plays count for the artist of their song.
    """

    __tablename__ = "track_artists"

    track_id: Mapped[TrackFk] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    artist_identity: Mapped[UUID] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(Text)
