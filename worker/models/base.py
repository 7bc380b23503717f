"""What all tables share: constraint names, recurring columns with one meaning on both databases, `save()`."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, ForeignKey, Integer, MetaData, TypeDecorator, func, inspect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Relationship, Session, mapped_column, relationship, scoped_session
from uuid_utils.compat import uuid7

# A migration can only drop a constraint whose name it knows.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite numbers rows only in a column of type INTEGER.
BigIntegerKey = BigInteger().with_variant(Integer, "sqlite")
# `none_as_null`: otherwise a JSON null and an SQL null would be two kinds of "no value".
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

Id = Annotated[int, mapped_column(BigIntegerKey, primary_key=True)]
UserFk = Annotated[int, mapped_column(BigIntegerKey, ForeignKey("app_users.id", ondelete="CASCADE"))]
EventId = Annotated[UUID, mapped_column(default=uuid7)]
SongFk = Annotated[int, mapped_column(BigIntegerKey, ForeignKey("songs.id", ondelete="CASCADE"))]
TrackFk = Annotated[int, mapped_column(BigIntegerKey, ForeignKey("tracks.id", ondelete="CASCADE"))]
BigCount = Annotated[int, mapped_column(BigInteger)]


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds, on both databases. Refuses a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime; pass a timezone-aware one")
        value = value.astimezone(UTC)
        # SQLite stores text without a timezone. It is UTC.
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant, dict[str, Any]: Json, Any: Json}

    def save(self, session: Session | scoped_session[Session]) -> Self:
        """Add this row and flush: the row has its id, and the database has accepted it. Does not commit.

        With an AsyncSession: `await session.run_sync(row.save)`.
        """
        if not isinstance(session, Session | scoped_session):
            # An AsyncSession would write nothing: nobody awaits its flush().
            raise TypeError(
                f"save() takes a sqlalchemy.orm.Session, not {type(session).__name__}; "
                "with an AsyncSession: `await session.run_sync(row.save)`"
            )
        session.add(self)
        session.flush()
        return self

    def __repr__(self) -> str:
        """The key and nothing else: logs and error reports must not show what people listen to. Loads nothing."""
        names = (str(column.key) for column in inspect(type(self)).primary_key)
        named = (f"{name}={self.__dict__.get(name)}" for name in names)
        return f"{type(self).__name__}({', '.join(named)})"


def owned_by(owner: str) -> Relationship[Any]:
    """The rows that refer to this one, to be loaded on purpose (`selectinload`). The database deletes them with it."""
    return relationship(back_populates=owner, lazy="raise_on_sql", passive_deletes="all")


class TimestampMixin:
    """When a row was inserted and last updated, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
