"""Bring accepted events to Redis before the call returns, or nowhere; `background` has the way by threads."""

import threading
from collections.abc import Sequence
from typing import Protocol

from worker.client.outbox import NO_OUTBOX, Outbox
from worker.client.pump import MAX_BATCH_EVENTS
from worker.client.reporting import ErrorReporter, OnError
from worker.client.sender import Sender
from worker.errors import OutboxError, ZikError


class Delivery(Protocol):
    """A `flush` that returns False has dropped nothing: delivery continues."""

    def start(self) -> None:
        """Begin to send what an earlier run left in the outbox."""

    def put(self, payloads: Sequence[bytes]) -> None:
        """Accept events, in order."""

    def flush(self, timeout_s: float) -> bool:
        """Whether Redis has acknowledged all events put before."""

    def flush_outbox(self, timeout_s: float) -> bool:
        """Whether all events put before are on disk, here or at Redis."""

    def close(self, timeout_s: float) -> None:
        """Flush, end the threads, and close connection and file."""


class InlineDelivery:
    """Without an outbox, `put` raises what went wrong.

    With an outbox, `put` returns when the events are on disk, and raises only if the outbox cannot store them.
    """

    def __init__(self, sender: Sender, outbox: Outbox | None, *, on_error: OnError | None) -> None:
        self._sender = sender
        self._outbox = outbox
        self._reporter = ErrorReporter(on_error)
        self._lock = threading.Lock()

    def start(self) -> None:
        """No thread to start: the next call sends what an earlier run left."""

    def put(self, payloads: Sequence[bytes]) -> None:
        store = self._sender.send if self._outbox is None else self._outbox.append
        with self._lock:
            for start in range(0, len(payloads), MAX_BATCH_EVENTS):
                store(payloads[start : start + MAX_BATCH_EVENTS])
        self.flush(0)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 -- One attempt; the socket's own timeout ends it.
        if self._outbox is None:
            return True
        with self._lock:
            try:
                while batch := self._outbox.peek(MAX_BATCH_EVENTS):
                    self._sender.send(batch.payloads)
                    self._outbox.discard(batch)
                is_empty = self._outbox.count() == 0
            except ZikError as error:
                self._reporter.report_once(error)
                return False
        self._reporter.recovered()
        return is_empty

    def flush_outbox(self, timeout_s: float) -> bool:  # noqa: ARG002 -- `put` returned after the disk had it.
        if self._outbox is None:
            raise OutboxError(NO_OUTBOX)
        return True

    def close(self, timeout_s: float) -> None:  # noqa: ARG002
        self._sender.close()
        if self._outbox is not None:
            self._outbox.close()


class NoDelivery:
    """Drops every event, for a disabled client."""

    def start(self) -> None:
        """Nothing to start."""

    def put(self, payloads: Sequence[bytes]) -> None:
        """Drop the events."""

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002
        return True

    def flush_outbox(self, timeout_s: float) -> bool:  # noqa: ARG002
        return True

    def close(self, timeout_s: float) -> None:
        """Nothing to close."""
