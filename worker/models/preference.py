from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worker.models.base import Base, BigIntegerKey, TimestampMixin
from worker.models.user import User


class Preference(TimestampMixin, Base):
    """The newest word on one of a user's preferences, by (`said_at`, `event_id`). A null value is a tombstone.

    `reported_at` is what a device with a wrong clock told instead of `said_at`, null where it was right.
    """

    __tablename__ = "preferences"

    user_id: Mapped[int] = mapped_column(BigIntegerKey, ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    said_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    event_id: Mapped[UUID]
    value: Mapped[Any | None]

    user: Mapped[User] = relationship(lazy="raise_on_sql")
