from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin


class DeadLetter(TimestampMixin, Base):
    """An event that could not be recorded, with its reason, until somebody retries or discards it.

    `payload` is the event as it came (of one that is too large, the beginning); `reason` a `worker.errors.Reason`;
    `attempts` how often recording it was tried.
    """

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    entry_id: Mapped[str] = mapped_column(String(41), unique=True)
    attempts: Mapped[int] = mapped_column(server_default="1", default=1)
    reason: Mapped[str] = mapped_column(String(32), index=True)
    detail: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
