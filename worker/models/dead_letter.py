from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Id, TimestampMixin


class DeadLetter(TimestampMixin, Base):
    """An event that could not be recorded, kept until an operator retries or discards it.

    `payload` is the event as received, cut off if it is too large. `reason` is a `worker.errors.Reason`.
    `attempts` counts how often zik tried to record the event.
    """

    __tablename__ = "dead_letters"

    id: Mapped[Id]
    entry_id: Mapped[str] = mapped_column(String(41), unique=True)
    attempts: Mapped[int] = mapped_column(server_default="1", default=1)
    reason: Mapped[str] = mapped_column(String(32), index=True)
    detail: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
