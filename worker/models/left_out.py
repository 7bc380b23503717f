from uuid import UUID

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, TimestampMixin, UserFk


class LeftOut(TimestampMixin, Base):
    """A song or an artist that a user leaves out of their statistics. The plays stay as they are.

    `subject` is `song` or `artist`. `identity` is a song's `twin_identity` or an artist's identity, so that what is
    recorded later is left out too, and merges are followed. `artist` and `title` are the names as the user saw them;
    `title` is null for an artist.
    """

    __tablename__ = "left_out"

    user_id: Mapped[UserFk] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(8), primary_key=True)
    identity: Mapped[UUID] = mapped_column(primary_key=True)
    artist: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
