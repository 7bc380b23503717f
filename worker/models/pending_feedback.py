from datetime import datetime

from sqlalchemy import SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, TimestampMixin, UserFk


class PendingFeedback(TimestampMixin, Base):
    """A user's feedback on a song that no event has named yet, by the newest request: that with the greatest `said_at`.

    It is published as a favorite, with its time, once such a song is there. `reference` is `mbid:` or `msid:` and a
    UUID in lower case: an outside id (`Song.has_mbid`), or the song's `identity`. `score` is 1 for love, -1 for hate
    and 0 for neither.
    """

    __tablename__ = "pending_feedback"

    user_id: Mapped[UserFk] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(41), primary_key=True)
    score: Mapped[int] = mapped_column(SmallInteger)
    said_at: Mapped[datetime]
