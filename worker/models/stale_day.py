from datetime import date
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin


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
