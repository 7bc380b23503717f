from datetime import datetime

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Id, TimestampMixin, UserFk


class AccessToken(TimestampMixin, Base):
    """What lets a player in at the HTTP door, as one user. The token itself is shown once and never stored.

    `digest` is its SHA-256 in 64 hex digits. `scopes` are `worker.operations.tokens.Scope`, sorted and separated by
    spaces. `audioscrobbler` is its MD5 in 32 hex digits, which two old protocols ask for; null without them.
    `last_used_at` is right to a minute or so.
    """

    __tablename__ = "tokens"
    __table_args__ = (
        UniqueConstraint("user_id", "name"),
        # A session of Last.fm names the id: it must not open the door to a later token.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Id]
    user_id: Mapped[UserFk]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[str] = mapped_column(String(100))
    audioscrobbler: Mapped[str | None] = mapped_column(String(32))
    last_used_at: Mapped[datetime | None]
