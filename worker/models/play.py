from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worker.models.base import Base, BigIntegerKey, TimestampMixin
from worker.models.song import Song
from worker.models.user import User


class PlayHistory(TimestampMixin, Base):
    """One play. Insert-only, with two keys: a retried event and a play that came by two roads both meet themselves.

    `played_at` is when listening began; `utc_offset_minutes` the listener's offset then, or null where the client
    did not say (`Z`); `reported_at` is what a device with a wrong clock reported instead of
    `played_at`, null where its clock was right.
    """

    __tablename__ = "play_history"
    __table_args__ = (
        UniqueConstraint("user_id", "played_at", "song_id"),
        # The foreign key's cascade, and "who listened to this song", would otherwise read the whole table.
        Index(None, "song_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(BigIntegerKey, ForeignKey(User.id, ondelete="CASCADE"))
    song_id: Mapped[int] = mapped_column(BigIntegerKey, ForeignKey(Song.id, ondelete="CASCADE"))
    played_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    ms_played: Mapped[int | None]
    utc_offset_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    source: Mapped[str | None] = mapped_column(String(100))
    context: Mapped[dict[str, Any] | None]

    user: Mapped[User] = relationship(lazy="raise_on_sql")
    song: Mapped[Song] = relationship(lazy="raise_on_sql")
