"""Events on disk until Redis has them: a SQLite file, kept in order, shared safely by any number of processes."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from worker.client.queue import QueuedBatch
from worker.errors import OutboxError

try:
    import fcntl
except ImportError:  # Windows. A client without an outbox works there.
    fcntl = None  # type: ignore[assignment]

NO_OUTBOX: Final = "this client has no outbox: give it one with outbox=PATH"

# Tells an outbox from any other SQLite file: "zik" and the version of the table.
_APPLICATION_ID: Final = 0x7A696B01
_BUSY_S: Final = 5.0
_WAL_BYTES: Final = 1 << 20
_CREATE: Final = "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL)"
# One row for the whole batch. Python's sqlite3 gives up the interpreter's lock at each row, and beside a busy player
# it waits 5 ms to get it back each time. No payload holds a line feed: JSON writes it as an escape.
_PEEK: Final = """
    SELECT max(number), group_concat(payload, char(10))
    FROM (SELECT number, payload FROM events ORDER BY number LIMIT ?)
"""
_LAST: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)"
_COUNT: Final = "SELECT coalesce(max(number) - min(number) + 1, 0) FROM events"


class Outbox:
    """Holds at most `most` events.

    Each `append` is one transaction in a write-ahead log with `synchronous=FULL`: when it returns, the events survive
    the process and the power supply. With NORMAL they would survive the process only; the sync costs the player
    nothing, because a thread of the client appends for it, as many events at once as have come meanwhile.

    Any process may append. One at a time may take events out, so that they keep their order: the one that holds the
    lock on `<path>.lock`, which the system frees however that process ends.

    Raises (all methods):
        OutboxError: names the file and what is wrong with it.
    """

    def __init__(self, path: Path, *, most: int) -> None:
        if fcntl is None:
            raise OutboxError(f"outbox {path}: this system has no flock, as Windows has not: leave out outbox")
        self.path = path
        self.most = most
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._leading: int | None = None
        with self._opened():
            pass

    def append(self, payloads: Sequence[bytes]) -> None:
        """Store all of them, or none.

        Raises:
            OutboxError: also when it is full; nothing that it holds is thrown away for what is newer.
        """
        rows = ",".join(["(?)"] * len(payloads))
        with self._opened() as connection:
            (waiting,) = connection.execute(_COUNT).fetchone()
            if waiting + len(payloads) > self.most:
                raise OutboxError(f"outbox {self.path}: {waiting:,} events wait in it, of {self.most:,} that may")
            connection.execute(f"INSERT INTO events (payload) VALUES {rows}", [text.decode() for text in payloads])  # noqa: S608 -- Only question marks.

    def peek(self, most: int) -> QueuedBatch | None:
        with self._opened() as connection:
            if not self._leads():
                return None
            last, payloads = connection.execute(_PEEK, [most]).fetchone()
        return QueuedBatch(payloads.encode().split(b"\n"), last) if last is not None else None

    def discard(self, batch: QueuedBatch) -> None:
        with self._opened() as connection:
            connection.execute("DELETE FROM events WHERE number <= ?", [batch.last])

    def last(self) -> int:
        with self._opened() as connection:
            return int(connection.execute(_LAST).fetchone()[0])

    def passed(self, number: int) -> bool:
        with self._opened() as connection:
            first = connection.execute("SELECT min(number) FROM events").fetchone()[0]
        return first is None or first > number

    def count(self) -> int:
        with self._opened() as connection:
            return int(connection.execute(_COUNT).fetchone()[0])

    def close(self) -> None:
        """It opens again when next used."""
        with self._lock:
            self._disconnect()
            self._release()

    # --- fork: SQLite forbids a child to use its parent's connection, even to close it -----------------

    def before_fork(self) -> None:
        self._lock.acquire()
        self._disconnect()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        # The parent leads on: its copy of the file still holds the lock.
        self._release()

    # --- the file ---------------------------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _connected(self.path)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                raise OutboxError(f"outbox {self.path}: {error}") from error

    def _leads(self) -> bool:
        if self._leading is not None:
            return True
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._leading = lock
        return True

    def _release(self) -> None:
        if self._leading is not None:
            os.close(self._leading)
            self._leading = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            # A close may fail on a broken disk; what was committed is in the file.
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _connected(path: Path) -> sqlite3.Connection:
    # What somebody listens to is nobody else's business; SQLite gives its other files the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    if _application(connection) != _APPLICATION_ID:
        # In a transaction: of two processes that make the same outbox, one waits for the other.
        connection.execute("BEGIN IMMEDIATE")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and _application(connection) != _APPLICATION_ID:
            raise sqlite3.DatabaseError("holds something else than events: choose another path")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(_CREATE)
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")


def _application(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])
