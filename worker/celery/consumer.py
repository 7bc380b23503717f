"""Reconnect to the broker with growing pauses, and name in one line what it refuses."""

import logging
import time
import warnings
from typing import Any, Final

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from worker.stream.connection import refusal_of

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 5.0
# A connection that has served for so long has recovered.
_RECOVERED_S: Final = 30.0
_POLL_S: Final = 0.1


class PatientConsumer(Consumer):
    """Celery's consumer reconnects at once, for ever, when the broker accepts the connection and refuses a command."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pause_s = _FIRST_PAUSE_S
        self._failed_at = float("-inf")

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        with warnings.catch_warnings():
            # A page about an option that zik has chosen.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)
        self._pause(exc)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        self._pause(exc)

    def _pause(self, exc: Exception) -> None:
        now = time.monotonic()
        recovered = now - self._failed_at > _RECOVERED_S
        self._pause_s = _FIRST_PAUSE_S if recovered else min(2 * self._pause_s, _LONGEST_PAUSE_S)
        until = now + self._pause_s
        if refusal := refusal_of(exc):
            logger.error("Celery cannot use its broker: %s. Trying again in %.0f s", refusal, self._pause_s)
        while time.monotonic() < until:
            maybe_shutdown()
            time.sleep(_POLL_S)
        self._failed_at = time.monotonic()
