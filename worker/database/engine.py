"""The database: how it is opened, the one function that commits, and what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from worker.database.connection import TimeoutConnection
from worker.database.sqlstate import (
    _sqlite_meaning,
    meaning_of,
)
from worker.errors import RowRefusedError

# A batch takes tens of milliseconds. A statement that needs seconds is stuck behind a lock or a sick disk, and
# giving up costs nothing: the entries stay pending. Both lie well below the time limit of a task.
STATEMENT_TIMEOUT_MS: Final = 15_000
LOCK_TIMEOUT_MS: Final = 5_000
LONG_LOCK_TIMEOUT_MS: Final = 60_000
# Whoever comes after a migration that waits for a table waits behind it. So it waits for less time than a batch does.
MIGRATION_LOCK_TIMEOUT_MS: Final = 2_000
CONNECT_TIMEOUT_S: Final = 5
# A server that lives has answered by then, if only with an error.
SILENCE_S: Final = STATEMENT_TIMEOUT_MS / 1000 + 5


# What writes in a hurry finds rows by key. Left alone, PostgreSQL plans the checks of foreign keys while there are few
# users and songs, by reading all of them, and keeps to it until autovacuum comes by, however many there are by then.
# And no jit, which the cost of a plan that is thus forbidden would call for.
_BY_KEY: Final = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"


def open_engine(url: str) -> Engine:
    """An engine for one process; make it after fork. Connects only when first used.

    Parameters never show in its errors or logs: they are what people listen to.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": LOCK_TIMEOUT_MS / 1000})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=2,
        max_overflow=2,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            # A transaction pooler hands each transaction to another server process, which knows no prepared statement.
            "prepare_threshold": None,
            "application_name": "zik",
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": STATEMENT_TIMEOUT_MS,
        },
    )
    event.listen(engine, "do_connect", _connect_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


@contextmanager
def opened_engine(url: str) -> Iterator[Engine]:
    """An engine whose connections are closed at the end."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open a session, commit when the block ends well, roll back otherwise. Nothing else in zik commits.

    Raises:
        DatabaseUnavailableError: wait, then try again.
        DatabaseMisusedError: the schema or permissions need an operator.
        RowRefusedError: a row's content was refused.
    """
    with _translated(), Session(engine) as session, session.begin():
        yield session


def without_statement_timeout(engine: Engine) -> Engine:
    """The same engine for work over whole tables: no limit for a statement, and a minute's wait for a lock."""
    return engine.execution_options(zik_patient=True)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """Open a session that only reads, and sees one moment. On SQLite it waits for no writer and stops none."""
    options: dict[str, Any] = {"zik_reads_only": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with _translated(), Session(engine.execution_options(**options)) as session:
        yield session


def write_ahead(engine: Engine) -> None:
    """Let the readers and the writer of a SQLite file not wait for each other.

    The journal mode stays with the file and cannot change inside a transaction, so it is set once, at bootstrap.
    Of two who change it at once SQLite refuses one without waiting, however long its timeout is.
    """
    with _translated(), engine.connect() as connection:
        driver = connection.connection.driver_connection
        try:
            if driver is not None:
                _while_busy(driver.execute, "PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise _sqlite_meaning(error) from None


def _is_busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


_while_busy: Final = Retrying(
    retry=retry_if_exception(_is_busy),
    stop=stop_after_delay(LONG_LOCK_TIMEOUT_MS / 1000),
    wait=wait_random(0, 0.1),
    reraise=True,
)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        # `from None`: PostgreSQL's own messages quote the row, and tracebacks reach logs.
        raise meaning_of(error) from None
    except (StatementError, OverflowError, UnicodeEncodeError) as error:
        # The driver could not even write the row down.
        raise RowRefusedError(f"the driver refused a value ({type(error).__name__})") from None


def _set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    # The driver's own transactions begin too late, at the first write; ours begin with BEGIN, see below.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # The stream entry is deleted after COMMIT, so COMMIT must have reached the disk.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another has written in between, however
    # long its timeout is. So a writer takes its lock at the start.
    options: Any = connection.get_execution_options()
    lock_ms = LONG_LOCK_TIMEOUT_MS if options.get("zik_patient") else LOCK_TIMEOUT_MS
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {lock_ms}")
    connection.exec_driver_sql("BEGIN" if options.get("zik_reads_only") else "BEGIN IMMEDIATE")


def _connect_postgresql(_dialect: object, _record: object, cargs: Any, cparams: Any) -> TimeoutConnection:
    return TimeoutConnection.connect(*cargs, **cparams)


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    patient = options.get("zik_patient")
    statement_ms, lock_ms = (0, LONG_LOCK_TIMEOUT_MS) if patient else (STATEMENT_TIMEOUT_MS, LOCK_TIMEOUT_MS)
    driver: Any = connection.connection.driver_connection
    driver.silent_for_s = None if patient else SILENCE_S
    # Per transaction, not per session: sessions are not ours behind a transaction pooler.
    begun = (
        f"SET LOCAL statement_timeout = {statement_ms}; SET LOCAL lock_timeout = {lock_ms}; SET LOCAL TimeZone = 'UTC'"
    )
    connection.exec_driver_sql(begun if patient or options.get("zik_reads_only") else f"{begun}; {_BY_KEY}")
