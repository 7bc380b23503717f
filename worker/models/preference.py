from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worker.models.base import Base, EventId, TimestampMixin, UserFk
from worker.models.user import User


class Preference(TimestampMixin, Base):
    """One of a user's preferences, by the newest event: the one with the greatest (`said_at`, `event_id`).

    A null value is a tombstone. `reported_at` is the time that a device with a wrong clock sent; null if `said_at` is
    the time sent.
    """

    __tablename__ = "preferences"

    user_id: Mapped[UserFk] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    said_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    event_id: Mapped[EventId]
    value: Mapped[Any | None]

    user: Mapped[User] = relationship(back_populates="preferences", lazy="raise_on_sql")
