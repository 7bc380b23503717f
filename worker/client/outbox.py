"""Keep events on disk, in order, until Redis has them: a SQLite file that any number of processes may share."""

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

NO_OUTBOX: Final = "this client has no outbox: create it with outbox=PATH"

# Distinguishes an outbox from any other SQLite file: "zik" and the version of the table.
_APPLICATION_ID: Final = 0x7A696B01
_BUSY_TIMEOUT_S: Final = 5.0
_MAX_WAL_BYTES: Final = 1 << 20
_CREATE: Final = "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL)"
# One row for the whole batch: Python's sqlite3 releases the interpreter's lock at each row, and waits 5 ms to get it
# back while the player is busy. Payloads contain no line feed, because JSON escapes it.
_OLDEST: Final = """
    SELECT max(number), group_concat(payload, char(10))
    FROM (SELECT number, payload FROM events ORDER BY number LIMIT ?)
"""
_LAST_NUMBER: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)"
_COUNT: Final = "SELECT coalesce(max(number) - min(number) + 1, 0) FROM events"


class Outbox:
    """Holds at most `max_events`.

    Each `append` is one transaction in a write-ahead log with `synchronous=FULL`: when it returns, the events survive
    a crash of the process and a power cut. With NORMAL they would survive only the crash. The sync costs the player
    nothing, because a thread of the client appends, as many events at once as have come meanwhile.

    Any process may append. Only one at a time takes events out, so that they keep their order: the one that holds the
    lock on `<path>.lock`. The system releases the lock however that process ends.

    Raises (all methods):
        OutboxError: names the file and what is wrong with it.
    """

    def __init__(self, path: Path, *, max_events: int) -> None:
        if fcntl is None:
            raise OutboxError(f"outbox {path}: this system has no flock (Windows has none): leave out `outbox`")
        self.path = path
        self.max_events = max_events
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._lock_file: int | None = None
        with self._opened():
            pass

    def append(self, payloads: Sequence[bytes]) -> None:
        """Store all of them, or none.

        Raises:
            OutboxError: also when it is full. A full outbox keeps the older events.
        """
        rows = ",".join(["(?)"] * len(payloads))
        with self._opened() as connection:
            (waiting,) = connection.execute(_COUNT).fetchone()
            if waiting + len(payloads) > self.max_events:
                limit = f"at most {self.max_events:,} (max_outbox)"
                raise OutboxError(f"outbox {self.path}: full, {waiting:,} events wait in it, {limit}")
            connection.execute(f"INSERT INTO events (payload) VALUES {rows}", [text.decode() for text in payloads])  # noqa: S608 -- Only question marks.

    def peek(self, limit: int) -> QueuedBatch | None:
        with self._opened() as connection:
            if not self._may_take():
                return None
            last, payloads = connection.execute(_OLDEST, [limit]).fetchone()
        return QueuedBatch(payloads.encode().split(b"\n"), last) if last is not None else None

    def discard(self, batch: QueuedBatch) -> None:
        with self._opened() as connection:
            connection.execute("DELETE FROM events WHERE number <= ?", [batch.last])

    def last_number(self) -> int:
        with self._opened() as connection:
            return int(connection.execute(_LAST_NUMBER).fetchone()[0])

    def is_discarded(self, number: int) -> bool:
        with self._opened() as connection:
            first = connection.execute("SELECT min(number) FROM events").fetchone()[0]
        return first is None or first > number

    def count(self) -> int:
        with self._opened() as connection:
            return int(connection.execute(_COUNT).fetchone()[0])

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        with self._lock:
            self._disconnect()
            self._release()

    # --- fork: SQLite forbids a child to use its parent's connection, even to close it ------------------

    def before_fork(self) -> None:
        self._lock.acquire()
        self._disconnect()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        # The parent keeps the lock through its own copy of the file.
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

    def _may_take(self) -> bool:
        if self._lock_file is not None:
            return True
        lock_file = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock_file)
            return False
        self._lock_file = lock_file
        return True

    def _release(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            # Closing may fail on a broken disk; committed events are in the file.
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _connected(path: Path) -> sqlite3.Connection:
    # Readable by its owner only, because it holds listening data. SQLite gives its other files the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    if _application_id(connection) != _APPLICATION_ID:
        # In a transaction: if two processes create the same outbox, one waits for the other.
        connection.execute("BEGIN IMMEDIATE")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and _application_id(connection) != _APPLICATION_ID:
            raise sqlite3.DatabaseError(_whose(_application_id(connection)))
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(_CREATE)
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")


def _whose(application_id: int) -> str:
    if application_id >> 8 == _APPLICATION_ID >> 8:
        return "a newer zik has made it, and its events are safe: upgrade this player, or choose another path"
    return "a SQLite file of another program: choose another path"


def _application_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])
