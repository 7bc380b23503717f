from uuid import UUID

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, TimestampMixin


class Merge(TimestampMixin, Base):
    """What a person has said to be one: two songs, or two artists. It says nothing about listeners.

    `subject` is `song` or `artist`. `identity` counts as `into_identity`, and along all merges as `counts_as_identity`:
    a song's `twin_identity`, or an artist's identity. `into_artist` is the name of the artist merged into, from which
    the albums get their identity.

    A song's merge goes with the last song of either side (`zik_song_leaves`).
    """

    __tablename__ = "merges"

    subject: Mapped[str] = mapped_column(String(8), primary_key=True)
    identity: Mapped[UUID] = mapped_column(primary_key=True)
    into_identity: Mapped[UUID]
    counts_as_identity: Mapped[UUID]
    into_artist: Mapped[str | None] = mapped_column(Text)
