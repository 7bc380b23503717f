"""Bring accepted events to Redis before the call returns, or nowhere; `background` has the way by threads."""

import threading
from collections.abc import Sequence
from typing import Protocol

from worker.client.outbox import NO_OUTBOX, Outbox
from worker.client.pump import MAX_BATCH_EVENTS
from worker.client.reporting import ErrorReporter, OnError
from worker.client.safe_store import SafeStore
from worker.client.sender import Sender
from worker.errors import EventDroppedError, OutboxError, ZikError


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
        self._safe = None if outbox is None else SafeStore(outbox, self._send)
        self._reporter = ErrorReporter(on_error, other=None if outbox is None else outbox.reporter)
        self._lock = threading.Lock()

    def start(self) -> None:
        """No thread to start: the next call sends what an earlier run left."""

    def put(self, payloads: Sequence[bytes]) -> None:
        refusals: list[EventDroppedError] = []
        with self._lock:
            for start in range(0, len(payloads), MAX_BATCH_EVENTS):
                refusals += self._store(payloads[start : start + MAX_BATCH_EVENTS])
        self._send_waiting()
        for refusal in refusals[1:]:
            self._reporter.report(refusal)
        if refusals:
            raise refusals[0]

    def _store(self, payloads: Sequence[bytes]) -> list[EventDroppedError]:
        if self._safe is None or self._outbox is None:
            return self._sender.send(payloads)
        try:
            self._safe.put(payloads)
        except OutboxError:
            self._empty_outbox(self._outbox)
            self._safe.put(payloads)
        return []

    def _send(self, payloads: Sequence[bytes]) -> None:
        for refusal in self._sender.send(payloads):
            self._reporter.report(refusal)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 -- One attempt; the socket's own timeout ends it.
        return self._send_waiting() and (self._safe is None or self._safe.has_sent_all())

    def flush_outbox(self, timeout_s: float) -> bool:  # noqa: ARG002 -- `put` returned after the disk had it.
        if self._safe is None:
            raise OutboxError(NO_OUTBOX)
        return self._safe.keeps_all()

    def _send_waiting(self) -> bool:
        if self._outbox is None:
            return True
        with self._lock:
            return self._empty_outbox(self._outbox)

    def _empty_outbox(self, outbox: Outbox) -> bool:
        """Send what waits. False if not all of it could be sent; the reason is then reported."""
        try:
            while batch := outbox.peek(MAX_BATCH_EVENTS):
                self._send(batch.payloads)
                outbox.discard(batch)
            is_empty = outbox.count() == 0
        except ZikError as error:
            self._reporter.report_once(error)
            return False
        self._reporter.recovered()
        return is_empty

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
