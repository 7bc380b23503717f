from datetime import date

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin


class SongDay(TimestampMixin, Base):
    """A rollup: what a user played of one song on a local day. Computed from the history, never added to.

    No foreign keys, see `ListeningHour`. Whoever deletes a song deletes its plays, which marks their days; until these
    are computed, a row whose song is gone joins to nothing.
    """

    __tablename__ = "song_days"
    # A user's days of one song lie together in it, with all that a question reads. Adding up a whole history from it
    # takes half as long as from the table, where the songs of each day lie together.
    __table_args__ = (Index("ix_song_days_by_song", "user_id", "song_id", "day", "plays", "listens", "ms_played"),)

    user_id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    # The charts for everyone read whole days.
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    song_id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    plays: Mapped[int]
    listens: Mapped[int]
    ms_played: Mapped[int] = mapped_column(BigInteger)
