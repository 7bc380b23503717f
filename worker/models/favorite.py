from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worker.models.base import Base, BigIntegerKey, TimestampMixin
from worker.models.song import Song
from worker.models.user import User


class Favorite(TimestampMixin, Base):
    """The newest word on whether a song is a user's favorite, by (`said_at`, `event_id`).

    `is_favorite` false is a tombstone: it stays, so that a late old event cannot bring the favorite back. `reported_at`
    is
    what a device with a wrong clock told instead of `said_at`, null where it was right.
    """

    __tablename__ = "favorites"

    user_id: Mapped[int] = mapped_column(BigIntegerKey, ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    song_id: Mapped[int] = mapped_column(
        BigIntegerKey, ForeignKey(Song.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    said_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    event_id: Mapped[UUID]
    is_favorite: Mapped[bool]

    user: Mapped[User] = relationship(lazy="raise_on_sql")
    song: Mapped[Song] = relationship(lazy="raise_on_sql")
