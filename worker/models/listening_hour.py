from datetime import date

from sqlalchemy import BigInteger, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin


class ListeningHour(TimestampMixin, Base):
    """A rollup: what a user played within one hour of a local day. Computed from the history, never added to.

    `listens` are the plays that count by the listen rule; `ms_played` the sum of what is known. When clocks are set
    back, both hours of one name are this one.

    No foreign key: a sweep writes rows only of a user whom it has locked, and the trigger `zik_user_leaves` deletes
    them. Checking each row again would cost a third of writing it.
    """

    __tablename__ = "listening_hours"

    user_id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    plays: Mapped[int]
    listens: Mapped[int]
    ms_played: Mapped[int] = mapped_column(BigInteger)
