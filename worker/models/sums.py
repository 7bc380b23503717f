from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigCount, Id, TimestampMixin


class SummedStretch(TimestampMixin, Base):
    """A stretch of a user's days whose sums are stored: all time, or a year, up to a day some time ago.

    Only users with a long history have any. The sums of a stretch hold as long as this row is there: whoever computes
    one of its days again, or files one of its songs elsewhere, deletes it in the same transaction. What it leaves in
    the other tables is not read any more.

    `stamp` is a new one each time: as long as a stretch has the same, nothing has changed that its days tell. Null if
    the release before summed it up.
    """

    __tablename__ = "summed_stretches"

    user_id: Mapped[Id]
    first_day: Mapped[date] = mapped_column(primary_key=True)
    last_day: Mapped[date] = mapped_column(primary_key=True)
    stamp: Mapped[UUID | None]


class SubjectSum(TimestampMixin, Base):
    """What the rows of `song_days` of one song, artist or album add up to in a stretch.

    `day` is the latest with a listen, if there is one.
    `named_song_id` and `named_track_id` are the least of those that name it, see `statistics.questions.subjects`.
    """

    __tablename__ = "subject_sums"
    __table_args__ = (
        Index(None, "filed_under", "user_id"),
        Index("ix_subject_sums_by_listens", "user_id", "first_day", "last_day", "subject", "listens"),
    )

    user_id: Mapped[Id]
    first_day: Mapped[date] = mapped_column(primary_key=True)
    last_day: Mapped[date] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(8), primary_key=True)
    filed_under: Mapped[UUID] = mapped_column(primary_key=True)
    named_song_id: Mapped[int | None] = mapped_column(BigInteger)
    named_track_id: Mapped[int | None] = mapped_column(BigInteger)
    day: Mapped[date]
    plays: Mapped[int]
    listens: Mapped[int]
    ms_played: Mapped[BigCount]


class DaySum(TimestampMixin, Base):
    """What the rows of `listening_hours` of one day of a stretch add up to."""

    __tablename__ = "day_sums"

    user_id: Mapped[Id]
    first_day: Mapped[date] = mapped_column(primary_key=True)
    last_day: Mapped[date] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    plays: Mapped[int]
    listens: Mapped[int]
    ms_played: Mapped[BigCount]
