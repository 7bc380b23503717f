from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin
from worker.models.song import Song
from worker.models.user import User


class StaleHistory(TimestampMixin, Base):
    """A user, or a song, all of whose days must be computed anew: something they are computed with has changed.

    Only whoever reads this mark, after its transaction, looks for the days. The writer itself could not see the plays
    that others are about to commit, and these would keep the old value.

    `charts_only`: what has changed is what a song is filed under. The days do not depend on it, only the charts do.
    """

    __tablename__ = "stale_histories"

    mark: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(BigIntegerKey, ForeignKey(User.id, ondelete="CASCADE"))
    song_id: Mapped[int | None] = mapped_column(BigIntegerKey, ForeignKey(Song.id, ondelete="CASCADE"))
    charts_only: Mapped[bool | None]
