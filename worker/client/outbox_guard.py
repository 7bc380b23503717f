"""Use the file of an outbox only while a restart would find it; else begin a new one with what can be saved."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from worker.client import outbox_rescue as rescue
from worker.client.outbox_file import Footprint, Span, connect, is_damage, span_of
from worker.client.reporting import ErrorReporter
from worker.errors import OutboxError

Result = TypeVar("Result")


class GuardedFile:
    """One connection for all threads of a process, and the check of the path before each use.

    Attributes:
        span: which events wait, when last read.
        delivered: up to this number events are delivered, although the disk may not have let them be deleted yet.
        offset: by so much the file's numbers are larger than those that callers have, once it has replaced another.
        losses: how often events could not be read any more.
    """

    def __init__(self, path: Path, reporter: ErrorReporter) -> None:
        self._path = path
        self._reporter = reporter
        self.span = Span(0, 0)
        self.delivered = 0
        self.offset = 0
        self.losses = 0
        self.lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._footprint: Footprint | None = None
        self._reports: list[Callable[[], None]] = []

    def use(self, work: Callable[[sqlite3.Connection], Result], *, writing: bool = False) -> Result:
        """Run `work` on the file that a restart would find.

        Unless it is `writing`, a file that no path leads to will do while no new one can be begun.

        Raises:
            OutboxError: names the file and what is wrong with it.
        """
        try:
            with self.lock:
                try:
                    return work(self._found(writing=writing))
                except sqlite3.Error as error:
                    if not is_damage(error) or self._connection is None:
                        raise
                    return work(self._begin_again(f"damaged ({error})"))
        except (sqlite3.Error, OSError) as error:
            raise self._named(error) from error
        finally:
            # After the lock is released, because `on_error` may call the client.
            while self._reports:
                self._reports.pop(0)()

    def waiting(self, connection: sqlite3.Connection) -> int:
        """How many events wait. For `use`, as the two below."""
        self.span = span_of(connection)
        return max(0, self.span.last - self._done)

    def is_done(self, number: int, connection: sqlite3.Connection) -> bool:
        self.waiting(connection)
        return number + self.offset <= self._done

    def delete_delivered(self, connection: sqlite3.Connection) -> None:
        """Delete what is delivered. A disk that refuses is reported; the next call tries again."""
        if not self.delivered:
            return
        try:
            connection.execute("DELETE FROM events WHERE number <= ?", [self.delivered])
        except sqlite3.Error as error:
            if is_damage(error):
                raise
            self._reports.append(partial(self._reporter.report_once, self._named(error)))
        else:
            self.delivered = 0

    def disconnect(self) -> None:
        """Close the file; call it with `lock` held. The next use opens it again."""
        if self._connection is not None:
            # Closing may fail on a broken disk; committed events are in the file.
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    @property
    def _done(self) -> int:
        return max(self.span.after, self.delivered)

    def _named(self, error: Exception) -> OutboxError:
        return OutboxError(f"outbox {self._path}: {error}")

    def _found(self, *, writing: bool) -> sqlite3.Connection:
        if self._connection is None or self._footprint is None:
            return self._open()
        if self._footprint.is_intact():
            return self._connection
        try:
            return self._begin_again("deleted, replaced or cut short")
        except (sqlite3.Error, OSError):
            if writing:
                raise
            return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            connection = connect(self._path)
        except sqlite3.Error as error:
            # Only an outbox that a client has sent from has a lock beside it.
            if not is_damage(error) or not Path(f"{self._path}.lock").exists():
                raise
            return self._begin_again(f"damaged ({error})")
        former = self.span
        self._adopt(connection)
        if rescue.has_leftover(self._path):
            self._report("damaged in an earlier run", rescue.finish(self._path, connection))
        if former.last > self.span.last:
            rescue.skip_to(connection, former.last)
            lost = former.last - max(former.after, self.span.last)
            self._report("deleted or replaced while it was closed", rescue.Rescued(0, max(0, lost)))
        self.waiting(connection)
        return connection

    def _begin_again(self, what: str) -> sqlite3.Connection:
        former = self._connection
        known = Span(self._done, self.span.last)
        connection, rescued = rescue.begin_again(self._path, former, self._footprint, known=known)
        self.delivered = 0
        self.offset += rescued.shift
        if former is not None:
            with suppress(sqlite3.Error):
                former.close()
        self._report(what, rescued)
        return self._adopt(connection)

    def _report(self, what: str, rescued: rescue.Rescued) -> None:
        self.losses += rescued.lost > 0
        error = OutboxError(f"outbox {self._path}: it was {what}. {rescued}")
        self._reports.append(partial(self._reporter.report, error))

    def _adopt(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        self._connection = connection
        self.waiting(connection)
        self._footprint = Footprint(self._path)
        return connection
