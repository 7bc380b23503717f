"""Open the file of an outbox, and notice when it is no longer what a restart would find."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

try:
    import fcntl
except ImportError:  # Windows. A client without an outbox works there.
    fcntl = None  # type: ignore[assignment]

HAS_FLOCK: Final = fcntl is not None
# SQLite keeps the newest transactions beside the file, in its log, and an index of that.
SUFFIXES: Final = ("", "-wal", "-shm")
# Distinguishes an outbox from any other SQLite file: "zik" and the version of the table.
_APPLICATION_ID: Final = 0x7A696B01
_BUSY_TIMEOUT_S: Final = 5.0
_PAUSE_S: Final = 0.02
_MAX_WAL_BYTES: Final = 1 << 20
_CREATE: Final = "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL)"
_SEQ: Final = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)"
_SPAN: Final = f"SELECT coalesce((SELECT min(number) FROM events) - 1, {_SEQ}), {_SEQ}"  # noqa: S608 -- Constants.
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DAMAGED_DISK: Final = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}


class Span(NamedTuple):
    """The numbers of the events that wait: above `after`, up to `last`, which is the newest that was ever stored."""

    after: int
    last: int


def connect(path: Path) -> sqlite3.Connection:
    """Open an outbox, or create one.

    Raises:
        sqlite3.Error: also where the file is something else.
    """
    # Readable by its owner only, because it holds listening data. SQLite gives its other files the same mode. A file
    # that exists is left unopened: closing it would release the locks that other connections of this process hold.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = opened(path)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def opened(path: Path) -> sqlite3.Connection:
    """Open a SQLite file as it is."""
    return sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


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
    _write_ahead(connection)
    connection.execute(f"PRAGMA journal_size_limit = {_MAX_WAL_BYTES}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging. While another process writes, SQLite refuses that without waiting."""
    give_up_at = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _application_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _whose(application_id: int) -> str:
    if application_id >> 8 == _APPLICATION_ID >> 8:
        return "a newer zik has made it, and its events are safe: upgrade this player, or choose another path"
    return "a SQLite file of another program: choose another path"


def span_of(connection: sqlite3.Connection) -> Span:
    return Span(*connection.execute(_SPAN).fetchone())


def is_damage(error: sqlite3.Error, *, whole: bool = False) -> bool:
    """Whether the file's content is at fault, or so much of it that no event can be read (`whole`).

    A full, slow or read-only disk is not.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if whole:
        return code == sqlite3.SQLITE_NOTADB or "no such table" in str(error)
    if code is None:  # Python's own, about a text that is not UTF-8.
        return isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in _DAMAGE or code in _DAMAGED_DISK or "no such table" in str(error)


class Footprint:
    """The files of an open outbox. A connection outlives them: it goes on in a file that no path leads to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = self._look()

    def is_intact(self) -> bool:
        """Whether the same files are still there, and none was cut short."""
        there = self._look()
        if self._files[0] is None or not all(map(_is_kept, self._files, there)):
            return False
        self._files = there
        return True

    def owns(self, suffix: str) -> bool:
        """Whether the path with this suffix still leads to the file that was opened."""
        own, there = self._files[SUFFIXES.index(suffix)], _status(f"{self._path}{suffix}")
        return own is not None and there is not None and os.path.samestat(own, there)

    def _look(self) -> list[os.stat_result | None]:
        return [_status(f"{self._path}{suffix}") for suffix in SUFFIXES]


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except OSError:
        return None


def _is_kept(before: os.stat_result | None, now: os.stat_result | None) -> bool:
    if before is None:
        return True
    # SQLite shortens only the log, to the limit.
    return now is not None and os.path.samestat(before, now) and now.st_size >= min(before.st_size, _MAX_WAL_BYTES)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Exclude other processes that want to replace an outbox in this folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_lock(path: Path) -> int | None:
    """Lock `<path>.lock` until the returned file is closed; None if another process holds it."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def is_locked_by(handle: int, path: Path) -> bool:
    """Whether the path still leads to the locked file: another process could lock a new one in its place."""
    there = _status(f"{path}.lock")
    return there is not None and os.path.samestat(os.fstat(handle), there)
