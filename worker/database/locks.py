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
    # Who files songs elsewhere forgets the sums of them, also those that another transaction is about to commit.
    SUM_UP = 0x7A696B04


def take(connection: Connection, lock: AdvisoryLock) -> None:
    """Wait for the lock, and hold it until the transaction ends. SQLite has one writer at a time, so needs none."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


def lock_writers(connection: Connection, *tables: str, wait_ms: int | None = None) -> None:
    """Wait for the transactions that write these tables, and let no other write them until this one ends.

    Take it before any row lock. Readers go on, and so do writers of rows that only refer to these tables.

    Raises:
        DatabaseUnavailableError: `is_locked`; other transactions hold a table for longer than `wait_ms`, or than the
            lock timeout of the connection.
    """
    if connection.dialect.name == "postgresql":
        # Writers queue behind this one while it waits.
        limit = "" if wait_ms is None else f"SET LOCAL lock_timeout = {wait_ms}; "
        before = connection.scalar(text("SELECT current_setting('lock_timeout')"))
        connection.exec_driver_sql(f"{limit}LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(text("SELECT set_config('lock_timeout', :before, true)"), {"before": before})


def lock_to_write(connection: Connection, table: str) -> None:
    """Take the lock that writing the table takes, before locking rows of it to be written later."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")


def is_locked(error: BaseException) -> bool:
    """Whether the database is up, and only another transaction was in the way."""
    return isinstance(error, DatabaseUnavailableError) and error.is_locked
