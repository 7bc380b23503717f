from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, EventId, SongFk, TimestampMixin, UserFk


class CorrectedPlay(TimestampMixin, Base):
    """A play as it was before its user deleted or edited it. `play_history` holds only what counts.

    Recorders recognise a play by these rows as they do by `play_history`, so no import brings it back. `number` counts
    the corrections of one play from 1; taking the latest back restores its row exactly. `is_deletion` is true if the
    play was deleted, and false if it was edited: then `play_history` has the new values under the same id.

    `recorded_at` is the `created_at` of the play; `created_at` is the time of the correction.
    """

    __tablename__ = "corrected_plays"
    # For the recorders' look-ups by moment and song, and for the foreign key's cascade.
    __table_args__ = (Index(None, "song_id", "user_id", "played_at"),)

    user_id: Mapped[UserFk] = mapped_column(primary_key=True)
    id: Mapped[EventId] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    is_deletion: Mapped[bool]
    song_id: Mapped[SongFk]
    track_id: Mapped[int | None] = mapped_column(BigInteger)
    played_at: Mapped[datetime]
    reported_at: Mapped[datetime | None]
    ms_played: Mapped[int | None]
    duration_ms: Mapped[int | None]
    utc_offset_minutes: Mapped[int | None] = mapped_column(SmallInteger)
    source: Mapped[str | None] = mapped_column(String(100))
    context: Mapped[dict[str, Any] | None]
    recorded_at: Mapped[datetime]
