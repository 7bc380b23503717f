from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigCount, Id, TimestampMixin


class ListeningHour(TimestampMixin, Base):
    """A rollup: what a user played in one hour of a local day. A sweep computes the whole day, and never adds to it.

    `listens` counts the plays that satisfy the listen rule; `ms_played` sums the known lengths. When clocks are set
    back, the hour that occurs twice is one row.

    No foreign key: checking it would make writing a row a third slower. A sweep locks the user before it writes, and
    the trigger `zik_user_leaves` deletes the rows of a deleted user.
    """

    __tablename__ = "listening_hours"

    user_id: Mapped[Id]
    day: Mapped[date] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    plays: Mapped[int]
    listens: Mapped[int]
    ms_played: Mapped[BigCount]


class ChartPlace(TimestampMixin, Base):
    """One place of a chart for everyone: `subject` song, artist or album, in the `period` that begins on `starts_on`.

    `title` is the song's or the album's, null for an artist. `listeners` counts users. `identity` is the song's, the
    artist's or the album's.
    """

    __tablename__ = "charts"

    subject: Mapped[str] = mapped_column(String(8), primary_key=True)
    period: Mapped[str] = mapped_column(String(8), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    identity: Mapped[UUID]
    artist: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    plays: Mapped[BigCount]
    listens: Mapped[BigCount]
    ms_played: Mapped[BigCount]
    listeners: Mapped[int]


class SongDay(TimestampMixin, Base):
    """A rollup: what a user played of one track on a local day. A sweep computes the whole day, and never adds to it.

    `song_id` is the song that the plays count for: of merged songs, the one that they are merged into. `track_id` is 0
    for plays that named neither album nor artists.

    No foreign keys, see `ListeningHour`. Deleting a song deletes its plays, which marks their days as stale. Until a
    sweep computes those, a row of the deleted song joins to nothing.
    """

    __tablename__ = "song_days"
    # Holds a user's days song by song, with every column that a question reads. The table holds them day by day: adding
    # up a whole history from it takes twice as long.
    __table_args__ = (
        Index("ix_song_days_by_song", "user_id", "song_id", "track_id", "day", "plays", "listens", "ms_played"),
    )

    user_id: Mapped[Id]
    # Charts for everyone read whole days.
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    song_id: Mapped[Id]
    track_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    plays: Mapped[int]
    listens: Mapped[int]
    ms_played: Mapped[BigCount]
