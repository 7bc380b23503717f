from datetime import date
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, TimestampMixin


class StaleChart(TimestampMixin, Base):
    """A local day whose charts for everyone must be drawn anew, marked in the transaction that computed the day."""

    __tablename__ = "stale_charts"

    day: Mapped[date] = mapped_column(primary_key=True)
    mark: Mapped[UUID] = mapped_column(primary_key=True)
