from typing import TYPE_CHECKING, Any

from sqlalchemy import String, true
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, Id, TimestampMixin, owned_by

if TYPE_CHECKING:
    from worker.models.favorite import Favorite
    from worker.models.play import PlayHistory
    from worker.models.preference import Preference


class User(TimestampMixin, Base):
    """A listener, created with the first event. The table is `app_users` because `user` is a reserved word in SQL."""

    __tablename__ = "app_users"
    # Otherwise SQLite reuses a deleted user's id, and a worker that still knows the id stores plays for the wrong user.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[Id]
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    is_active: Mapped[bool] = mapped_column(server_default=true(), default=True)
    moods: Mapped[dict[str, Any] | None]

    plays: Mapped[list["PlayHistory"]] = owned_by("user")
    favorites: Mapped[list["Favorite"]] = owned_by("user")
    preferences: Mapped[list["Preference"]] = owned_by("user")
