from datetime import date
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


class StaleChart(TimestampMixin, Base):
    """A local day whose charts for everyone must be drawn anew, marked in the transaction that computed the day."""

    __tablename__ = "stale_charts"

    day: Mapped[date] = mapped_column(primary_key=True)
    mark: Mapped[UUID] = mapped_column(primary_key=True)


class StaleDay(TimestampMixin, Base):
    """A user's local day whose statistics must be computed anew.

    Each transaction that stores plays adds marks of its own (`mark`) instead of sharing one row a day: a mark that
    is still uncommitted while the day is recomputed then stands afterwards, and no writer waits for another.

    No foreign key: a play that is stored has one, and checking the same user again would cost a recorder a third of
    the mark. The trigger `zik_user_leaves` deletes a user's marks, and a sweep those that slipped through.
    """

    __tablename__ = "stale_days"

    user_id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    mark: Mapped[UUID] = mapped_column(primary_key=True)
