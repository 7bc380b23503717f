"""What went wrong, told once for each trouble: to the caller's `on_error`, or else to the log."""

import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("worker.client")

OnError = Callable[[Exception], Any]


class Complaints:
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
