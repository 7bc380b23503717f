"""What went wrong, told once for each trouble: to the caller's `on_error`, or else to the log."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Counters:
    """All since the client was made, or since its process was forked."""

    sent: int = 0  # acknowledged by Redis
    retried: int = 0  # sent once more, after a fault; an event may count often
    dropped: int = 0  # no room, no time at the end, or withheld by before_send
    refused: int = 0  # against the contract
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


logger = logging.getLogger("worker.client")

OnError = Callable[[Exception], Any]


class ErrorReporter:
    def __init__(self, on_error: OnError | None) -> None:
        self._on_error = on_error
        self._trouble: type[Exception] | None = None

    def tell(self, error: Exception) -> None:
        """Tell of a trouble that is tried again, unless it was the last one told of."""
        if type(error) is not self._trouble:
            self._trouble = type(error)
            self.report(error)

    def settle(self) -> None:
        """The trouble is over: its next occurrence is told again."""
        if self._trouble is not None:
            self._trouble = None
            logger.info("publishing again")

    def report(self, error: Exception) -> None:
        if self._on_error is None:
            logger.warning("%s", error)
            return
        try:
            self._on_error(error)
        except Exception:
            logger.exception("on_error raised")
