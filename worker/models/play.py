from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Index, SmallInteger, String, UniqueConstraint, event, insert
from sqlalchemy.orm import Mapped, mapped_column, relationship
from uuid_utils.compat import uuid7

from worker.contract.events import local_days
from worker.models.base import Base, EventId, SongFk, TimestampMixin, UserFk
from worker.models.song import Song
from worker.models.stale_marks import StaleDay
from worker.models.user import User


class PlayHistory(TimestampMixin, Base):
    """One play. Recorders only insert. The two keys find a retried event, and a play that two sources report.

    `id` is the event's, chosen by the client, so it identifies a play only together with the user. First in the key,
    because ids made one after the other then meet in one place of the index, and a log names a play by its id alone.

    `played_at` is when listening began. `utc_offset_minutes` is the listener's offset at that time, null if the client
    sent none (`Z`). `reported_at` is the time that a device with a wrong clock sent; null if `played_at` is the time
    sent. `duration_ms` is the song's duration as this client sent it. `track_id` is the `Track` that the client named:
    0 if it named neither album nor artists, null if a release before 0.3 recorded the play.
    """

    __tablename__ = "play_history"
    __table_args__ = (
        UniqueConstraint("user_id", "played_at", "song_id"),
        # Without it, the foreign key's cascade and "who listened to this song" read the whole table.
        Index(None, "song_id"),
    )

    id: Mapped[EventId] = mapped_column(primary_key=True)
    user_id: Mapped[UserFk] = mapped_column(primary_key=True)
    song_id: Mapped[SongFk]
    # No foreign key: tracks go only with their song, and checking it would slow down recording.
    track_id: Mapped[int | None] = mapped_column(BigInteger)
    played_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    ms_played: Mapped[int | None]
    duration_ms: Mapped[int | None]
    utc_offset_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    source: Mapped[str | None] = mapped_column(String(100))
    context: Mapped[dict[str, Any] | None]

    user: Mapped[User] = relationship(back_populates="plays", lazy="raise_on_sql")
    song: Mapped[Song] = relationship(back_populates="plays", lazy="raise_on_sql")


@event.listens_for(PlayHistory, "after_insert")
def _mark_days(mapper: object, connection: Connection, play: PlayHistory) -> None:
    """Mark the days of a play that is saved with this model. Recorders insert in SQL, and mark the days themselves."""
    del mapper
    mark = uuid7()
    days = [
        {"user_id": play.user_id, "day": day, "mark": mark}
        for day in local_days(play.played_at.astimezone(UTC), play.utc_offset_minutes)
    ]
    connection.execute(insert(StaleDay), days)
