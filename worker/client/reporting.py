"""Count what became of events, and report each fault once: to `on_error`, or to the log without one."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

logger = logging.getLogger("worker.client")

OnError = Callable[[Exception], Any]


@dataclass
class Counters:
    """Events since the client was created, or since its process was forked."""

    sent: int = 0  # acknowledged by Redis
    retried: int = 0  # sent again after a fault; an event may count several times
    dropped: int = 0  # the queue was full, time ran out in `close`, or `before_send` withheld the event
    refused: int = 0  # the event breaks the contract, or the server refuses it
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, *, sent: int = 0, retried: int = 0, dropped: int = 0, refused: int = 0) -> None:
        with self._lock:
            self.sent += sent
            self.retried += retried
            self.dropped += dropped
            self.refused += refused

    def snapshot(self) -> "Counters":
        with self._lock:
            return replace(self)


class ErrorReporter:
    """Reports to `on_error`. What `other` has reported is not reported again: one fault may hinder two threads."""

    def __init__(self, on_error: OnError | None, *, other: "ErrorReporter | None" = None) -> None:
        self._on_error = on_error
        self._other = other
        self._reported: set[type[Exception]] = set()

    def report_once(self, error: Exception) -> None:
        """Report an error that is retried, unless one of its type has been reported since all went well."""
        if not self.has_reported(type(error)) and (self._other is None or not self._other.has_reported(type(error))):
            self._reported.add(type(error))
            self.report(error)

    def has_reported(self, kind: type[Exception]) -> bool:
        return kind in self._reported

    def recovered(self) -> None:
        """Note that the fault is over, so that its next occurrence is reported again."""
        if self._reported:
            self._reported.clear()
            logger.info("publishing again")

    def report(self, error: Exception) -> None:
        if self._on_error is None:
            logger.warning("%s", error)
            return
        try:
            self._on_error(error)
        except Exception:
            logger.exception("on_error raised")
