from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin
from worker.models.user import User


class StaleDay(TimestampMixin, Base):
    """A user's local day whose statistics must be computed anew.

    Each transaction that stores plays adds marks of its own (`mark`) instead of sharing one row a day: a mark that
    is still uncommitted while the day is recomputed then stands afterwards, and no writer waits for another.
    """

    __tablename__ = "stale_days"

    user_id: Mapped[int] = mapped_column(BigIntegerKey, ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    mark: Mapped[UUID] = mapped_column(primary_key=True)
