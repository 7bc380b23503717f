"""What at most one transaction may do at a time: zik's advisory locks, each with its number."""

from enum import IntEnum, unique

from sqlalchemy import Connection, text

from worker.errors import DatabaseUnavailableError


@unique
class AdvisoryLock(IntEnum):
    """Locks of PostgreSQL that belong to no row. A number never changes, because releases run side by side."""

    BRING_UP_SCHEMA = 0x7A696B01
    # Two tasks that draw the same chart, or clear its marks, would collide in the rows.
    DRAW_CHARTS = 0x7A696B02
    # Of two people who are erased at once, each would leave the songs that only they share to the other.
    ERASE_USER = 0x7A696B03


def take(connection: Connection, lock: AdvisoryLock) -> None:
    """Wait for the lock, and hold it until the transaction ends. SQLite has one writer at a time, so needs none."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


def is_locked(error: BaseException) -> bool:
    """Whether the database is up, and only another transaction was in the way."""
    return isinstance(error, DatabaseUnavailableError) and error.is_locked
