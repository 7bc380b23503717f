from datetime import date

from sqlalchemy import BigInteger, Index, SmallInteger, String, Text
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
