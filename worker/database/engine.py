"""Open the database, and commit: `transaction` is the only function in zik that does."""

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
    meaning_of,
    sqlite_meaning_of,
)
from worker.errors import DatabaseMisusedError, RowRefusedError

# A batch takes tens of milliseconds. A statement that needs seconds is stuck behind a lock or a failing disk, and
# giving up costs nothing: the entries stay pending. Both limits are well below the time limit of a task.
STATEMENT_TIMEOUT_MS: Final = 15_000
LOCK_TIMEOUT_MS: Final = 5_000
LONG_LOCK_TIMEOUT_MS: Final = 60_000
# Queries queue behind a migration that is waiting for a table lock, so a migration waits for less time than a batch.
MIGRATION_LOCK_TIMEOUT_MS: Final = 2_000
CONNECT_TIMEOUT_S: Final = 5
# A running server has answered by then, if only with an error.
SILENCE_S: Final = STATEMENT_TIMEOUT_MS / 1000 + 5

# Recorders look rows up by key. PostgreSQL caches the plans of foreign-key checks; made while there are few users and
# songs, they scan whole tables until autovacuum runs, however many rows there are by then. And no jit: the inflated
# cost of a forbidden plan would trigger it.
_BY_KEY: Final = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"

# Questions read rows of one user here and there, most of which are in memory. By default PostgreSQL expects a disk that
# seeks, and would read the whole catalogue for a few thousand songs instead.
_IN_MEMORY: Final = "SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off"

# Work over whole tables groups millions of rows. With the memory that PostgreSQL gives a question it writes and reads
# them several times; the operator has granted more to maintenance. And no jit: a hundred statements would be compiled.
_WITH_MEMORY: Final = (
    (
        "SELECT set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')),"
        " pg_size_bytes(current_setting('maintenance_work_mem'))) / 1024 || 'kB', true)"
    ),
    "SET LOCAL jit = off",
)

# Server, database, role and PG* variables may set each of these, and the driver cannot read times in other styles. For
# each transaction, because behind a transaction pooler a session is shared.
_PINNED: Final = "; ".join(
    f"SET LOCAL {setting} = {value}"
    for setting, value in {
        "TimeZone": "'UTC'",
        "DateStyle": "'ISO, MDY'",
        "IntervalStyle": "postgres",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
        "extra_float_digits": "1",
    }.items()
)
# From this version of PostgreSQL on, a transaction as a whole may have a limit.
_LIMITS_TRANSACTIONS: Final = 170_000
_LIMITS: Final = (
    f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}",
    f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}",
)


def open_engine(url: str) -> Engine:
    """Make an engine for one process, after fork. It connects when first used.

    Its errors and logs never show parameters, because they are what people listen to.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": LOCK_TIMEOUT_MS / 1000})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        # Recorders are written for it, whatever is the default of the role. The driver says it in its BEGIN.
        isolation_level="READ COMMITTED",
        pool_size=2,
        max_overflow=2,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            # A transaction pooler may hand each transaction to another server process, without its prepared statements.
            "prepare_threshold": None,
            "application_name": "zik",
            "client_encoding": "UTF8",
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
    """Open an engine, and close its connections at the end."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open a session; commit when the block succeeds, roll back otherwise. Nothing else in zik commits.

    Raises:
        DatabaseUnavailableError: wait, then try again.
        DatabaseMisusedError: an operator has to repair the schema or the permissions.
        RowRefusedError: the database refuses the content of a row.
    """
    with _translated(), Session(engine) as session, session.begin():
        yield session


def without_statement_timeout(engine: Engine) -> Engine:
    """The same engine for work over whole tables: statements may take any time, and a lock may take a minute."""
    return engine.execution_options(zik_without_timeout=True)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """Open a read-only session on one snapshot. On SQLite it neither waits for the writer nor blocks it."""
    options: dict[str, Any] = {"zik_reads_only": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with _translated(), Session(engine.execution_options(**options)) as session:
        yield session


def write_ahead(engine: Engine) -> None:
    """Switch a SQLite file to write-ahead logging, so that readers and the writer do not wait for each other.

    The file keeps the mode, and it cannot change inside a transaction, so it is set once, at bootstrap. If two
    processes change it at once, SQLite refuses one without waiting, whatever the timeout: hence the retries.
    """
    with _translated(), engine.connect() as connection:
        driver = connection.connection.driver_connection
        try:
            if driver is not None:
                _while_busy(driver.execute, "PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            raise sqlite_meaning_of(error) from None


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
        # The driver could not encode the row.
        raise RowRefusedError(f"the driver refused a value ({type(error).__name__})") from None


def _set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    # The driver's own transactions begin too late, at the first write. Ours begin in `_begin_sqlite`.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # The stream entry is deleted after COMMIT, so COMMIT must have reached the disk.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another has written in between, whatever the
    # timeout. So a writer takes its lock at the start.
    options: Any = connection.get_execution_options()
    lock_ms = LONG_LOCK_TIMEOUT_MS if options.get("zik_without_timeout") else LOCK_TIMEOUT_MS
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {lock_ms}")
    connection.exec_driver_sql("BEGIN" if options.get("zik_reads_only") else "BEGIN IMMEDIATE")


def _connect_postgresql(_dialect: object, _record: object, cargs: Any, cparams: Any) -> TimeoutConnection:
    connection = TimeoutConnection.connect(*cargs, **cparams)
    # The server reports it at login, so this costs no round trip.
    encoding = (connection.pgconn.parameter_status(b"server_encoding") or b"UTF8").decode()
    if encoding == "UTF8":
        return connection
    name = connection.info.dbname
    connection.close()
    raise DatabaseMisusedError(
        f"the database {name} has the encoding {encoding}, which cannot hold every title",
        way_out="make one with `CREATE DATABASE zik ENCODING 'UTF8' TEMPLATE template0`, and name it in DATABASE_URL",
    )


def _no_limits(server_version: int) -> list[str]:
    """For work over whole tables, which computes for long between two statements, too."""
    settings = ["statement_timeout", "idle_in_transaction_session_timeout"]
    if server_version >= _LIMITS_TRANSACTIONS:
        settings.append("transaction_timeout")
    limits = (f"SET LOCAL {name} = 0" for name in settings)
    return [f"SET LOCAL lock_timeout = {LONG_LOCK_TIMEOUT_MS}", *limits, *_WITH_MEMORY]


def _begin_postgresql(connection: Connection) -> None:
    options = connection.get_execution_options()
    unlimited = options.get("zik_without_timeout")
    driver: Any = connection.connection.driver_connection
    driver.silent_for_s = None if unlimited else SILENCE_S
    begun = [_PINNED, *(_no_limits(driver.info.server_version) if unlimited else _LIMITS)]
    if not unlimited:
        begun.append(_IN_MEMORY if options.get("zik_reads_only") else _BY_KEY)
    connection.exec_driver_sql("; ".join(begun))
