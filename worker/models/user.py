from typing import Any

from sqlalchemy import String, true
from sqlalchemy.orm import Mapped, mapped_column

from worker.models.base import Base, BigIntegerKey, TimestampMixin


class User(TimestampMixin, Base):
    """A listener, made on first sight. `user` is a reserved word in SQL, hence the table's name."""

    __tablename__ = "app_users"
    # SQLite would give a deleted user's id to the next one, and with it the plays of whoever remembers the old one.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigIntegerKey, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    is_active: Mapped[bool] = mapped_column(server_default=true(), default=True)
    moods: Mapped[dict[str, Any] | None]
