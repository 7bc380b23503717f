from datetime import date

from sqlalchemy import BigInteger, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, TimestampMixin


class ChartPlace(TimestampMixin, Base):
    """One place of a chart for everyone: `subject` song, artist or album, in the `period` that begins on `starts_on`.

    `title` is the song's or the album's, and null for an artist; `listeners` counts users.
    """

    __tablename__ = "charts"

    subject: Mapped[str] = mapped_column(String(8), primary_key=True)
    period: Mapped[str] = mapped_column(String(8), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    artist: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    plays: Mapped[int] = mapped_column(BigInteger)
    listens: Mapped[int] = mapped_column(BigInteger)
    ms_played: Mapped[int] = mapped_column(BigInteger)
    listeners: Mapped[int]
