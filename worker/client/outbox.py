"""Keep events on disk, in order, until Redis has them: a SQLite file that any number of processes may share."""

import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from worker.client.outbox_file import HAS_FLOCK, Span, is_locked_by, try_lock
from worker.client.outbox_guard import GuardedFile
from worker.client.queue import QueuedBatch
from worker.client.reporting import ErrorReporter
from worker.errors import OutboxError

NO_OUTBOX: Final = "this client has no outbox: create it with outbox=PATH"

# One row for the whole batch: Python's sqlite3 releases the interpreter's lock at each row, and waits 5 ms to get it
# back while the player is busy. Payloads contain no line feed, because JSON escapes it.
_OLDEST: Final = """
    SELECT max(number), group_concat(payload, char(10))
    FROM (SELECT number, payload FROM events WHERE number > ? ORDER BY number LIMIT ?)
"""


class Outbox:
    """Holds at most `max_events`.

    Each `append` is one transaction in a write-ahead log with `synchronous=FULL`: when it returns, the events survive
    a crash of the process and a power cut. With NORMAL they would survive only the crash. The sync costs the player
    nothing, because a thread of the client appends, as many events at once as have come meanwhile.

    Any process may append. Only one at a time takes events out, so that they keep their order: the one that holds the
    lock on `<path>.lock`. The system releases the lock however that process ends.

    Before each use it checks that the path still leads to the file that it has open. If others have deleted, replaced
    or damaged the file, it begins a new one with every event that can still be read, and reports that once.

    Raises (all methods):
        OutboxError: names the file and what is wrong with it.
    """

    def __init__(self, path: Path, *, max_events: int, reporter: ErrorReporter | None = None) -> None:
        if not HAS_FLOCK:
            raise OutboxError(f"outbox {path}: this system has no flock (Windows has none): leave out `outbox`")
        self.path = path
        self.max_events = max_events
        self.reporter = reporter or ErrorReporter(None)
        self._file = GuardedFile(path, self.reporter)
        self._lock_file: int | None = None
        self.count()

    @property
    def losses(self) -> int:
        """How often events could not be read any more."""
        return self._file.losses

    def append(self, payloads: Sequence[bytes]) -> None:
        """Store all of them, or none.

        Raises:
            OutboxError: also when it is full. A full outbox keeps the older events.
        """
        rows = ",".join(["(?)"] * len(payloads))

        def insert(connection: sqlite3.Connection) -> None:
            waiting = self._file.waiting(connection)
            if waiting + len(payloads) > self.max_events:
                limit = f"at most {self.max_events:,} (max_outbox)"
                raise OutboxError(f"outbox {self.path}: full, {waiting:,} events wait in it, {limit}")
            connection.execute(f"INSERT INTO events (payload) VALUES {rows}", [text.decode() for text in payloads])  # noqa: S608 -- Only question marks.
            self._file.span = Span(self._file.span.after, self._file.span.last + len(payloads))

        self._file.use(insert, writing=True)

    def peek(self, limit: int) -> QueuedBatch | None:
        def oldest(connection: sqlite3.Connection) -> QueuedBatch | None:
            if not self._may_take():
                return None
            self._file.delete_delivered(connection)
            last, payloads = connection.execute(_OLDEST, [self._file.delivered, limit]).fetchone()
            return QueuedBatch(payloads.encode().split(b"\n"), last - self._file.offset) if last is not None else None

        return self._file.use(oldest)

    def discard(self, batch: QueuedBatch) -> None:
        """Delete the batch. While the disk refuses that, it is skipped; only another run would send it again."""

        def delete(connection: sqlite3.Connection) -> None:
            self._file.delivered = max(self._file.delivered, batch.last + self._file.offset)
            self._file.delete_delivered(connection)

        self._file.use(delete)

    def last_number(self) -> int:
        self.count()
        return self._file.span.last - self._file.offset

    def is_discarded(self, number: int) -> bool:
        return self._file.use(lambda connection: self._file.is_done(number, connection))

    def count(self) -> int:
        return self._file.use(self._file.waiting)

    def is_safe(self) -> bool:
        """Whether a restart would find every event that waits."""
        try:
            self._file.use(self._file.waiting, writing=True)
        except OutboxError:
            # No new file can be begun in the place of a lost one. That is no matter if all is delivered.
            with suppress(OutboxError):
                return self.count() == 0
            return False
        return True

    def must_go_first(self) -> bool:
        """Whether events wait that have to be sent before newer ones. What cannot be read holds up nothing."""
        try:
            return self.count() > 0
        except OutboxError:
            return False

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        self._save()
        with self._file.lock:
            self._file.disconnect()
            self._release()

    def _save(self) -> None:
        """Begin a deleted file again while it is still open: once it is closed, nothing can be saved."""
        with suppress(OutboxError):
            self.count()

    # --- fork: SQLite forbids a child to use its parent's connection, even to close it ------------------

    def before_fork(self) -> None:
        self._save()
        self._file.lock.acquire()
        self._file.disconnect()

    def after_fork_in_parent(self) -> None:
        self._file.lock.release()

    def after_fork_in_child(self) -> None:
        self._file.lock = threading.Lock()
        # The parent keeps the lock through its own copy of the file.
        self._release()

    # --- one reader -------------------------------------------------------------------------------------

    def _may_take(self) -> bool:
        if self._lock_file is not None and is_locked_by(self._lock_file, self.path):
            return True
        try:
            lock_file = try_lock(self.path)
        except OSError:
            # Where no lock can be made, events sent by two processes are better than events sent by none.
            return True
        self._release()
        self._lock_file = lock_file
        return lock_file is not None

    def _release(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
