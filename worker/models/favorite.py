from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column, relationship

from worker.models.base import Base, EventId, SongFk, TimestampMixin, UserFk
from worker.models.song import Song
from worker.models.user import User


class Favorite(TimestampMixin, Base):
    """Whether a song is a user's favorite, by the newest event: the one with the greatest (`said_at`, `event_id`).

    `is_favorite` false is a tombstone. It stays, so that an older event that arrives late changes nothing.
    `reported_at` is the time that a device with a wrong clock sent; null if `said_at` is the time sent.
    """

    __tablename__ = "favorites"

    user_id: Mapped[UserFk] = mapped_column(primary_key=True)
    song_id: Mapped[SongFk] = mapped_column(primary_key=True, index=True)
    said_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    event_id: Mapped[EventId]
    is_favorite: Mapped[bool]

    user: Mapped[User] = relationship(back_populates="favorites", lazy="raise_on_sql")
    song: Mapped[Song] = relationship(back_populates="favorites", lazy="raise_on_sql")
