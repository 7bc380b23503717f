from datetime import date
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Id, SongFk, TimestampMixin, UserFk


class StaleHistory(TimestampMixin, Base):
    """A user or a song whose days must all be computed again, because a value that they depend on has changed.

    A later transaction looks up the days. The writer of the mark cannot: it does not see plays that other transactions
    are about to commit, and their days would keep the old value.

    `charts_only`: the song is filed under another artist or album. Only charts depend on that, the days do not.
    """

    __tablename__ = "stale_histories"

    mark: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserFk | None]
    song_id: Mapped[SongFk | None]
    charts_only: Mapped[bool | None]


class StaleChart(TimestampMixin, Base):
    """A local day whose charts for everyone must be drawn again. The transaction that computes the day marks it."""

    __tablename__ = "stale_charts"

    day: Mapped[date] = mapped_column(primary_key=True)
    mark: Mapped[UUID] = mapped_column(primary_key=True)


class StaleDay(TimestampMixin, Base):
    """A user's local day whose rollups must be computed again.

    Each transaction that stores plays adds marks of its own (`mark`), and transactions do not share a row per day. So a
    mark that is uncommitted while a sweep computes the day stays afterwards, and no writer waits for another.

    No foreign key: the play has one, and checking the user twice would make marking a third slower. The trigger
    `zik_user_leaves` deletes a deleted user's marks, and a sweep deletes those that a concurrent writer adds.
    """

    __tablename__ = "stale_days"

    user_id: Mapped[Id]
    day: Mapped[date] = mapped_column(primary_key=True)
    mark: Mapped[UUID] = mapped_column(primary_key=True)
