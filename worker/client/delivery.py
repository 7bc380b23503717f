"""The way of accepted events from the call to Redis: by threads, at once, or not at all."""

import threading
from collections.abc import Sequence
from typing import Protocol

from worker.client.outbox import NO_OUTBOX, Outbox
from worker.client.pump import MOST
from worker.client.reporting import ErrorReporter, OnError
from worker.client.sender import Sender
from worker.errors import OutboxError, ZikError


class Inline:
    """Without an outbox, `put` raises what went wrong.

    With one, events are on disk when it returns, and only an outbox that cannot take them raises.
    """

    def __init__(self, sender: Sender, outbox: Outbox | None, *, on_error: OnError | None) -> None:
        self._sender = sender
        self._outbox = outbox
        self._reporter = ErrorReporter(on_error)
        self._lock = threading.Lock()

    def start(self) -> None:
        """The next call sends what an earlier run left."""

    def put(self, payloads: Sequence[bytes]) -> None:
        keep = self._sender.send if self._outbox is None else self._outbox.append
        with self._lock:
            for start in range(0, len(payloads), MOST):
                keep(payloads[start : start + MOST])
        self.flush(0)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 -- One attempt; a socket's own limit ends it.
        if self._outbox is None:
            return True
        with self._lock:
            try:
                while batch := self._outbox.peek(MOST):
                    self._sender.send(batch.payloads)
                    self._outbox.discard(batch)
                emptied = self._outbox.count() == 0
            except ZikError as error:
                self._reporter.tell(error)
                return False
        self._reporter.settle()
        return emptied

    def flush_outbox(self, timeout_s: float) -> bool:  # noqa: ARG002 -- `put` returned after the disk had it.
        if self._outbox is None:
            raise OutboxError(NO_OUTBOX)
        return True

    def close(self, timeout_s: float) -> None:  # noqa: ARG002
        self._sender.close()
        if self._outbox is not None:
            self._outbox.close()


class Delivery(Protocol):
    """Times are seconds; a `flush` that returns False has left nothing out, it goes on."""

    def start(self) -> None:
        """Look for what an earlier run left in the outbox."""

    def put(self, payloads: Sequence[bytes]) -> None:
        """Take the events, in order."""

    def flush(self, timeout_s: float) -> bool:
        """Whether Redis has acknowledged all that was put before."""

    def flush_outbox(self, timeout_s: float) -> bool:
        """Whether all that was put before is on disk, here or at Redis."""

    def close(self, timeout_s: float) -> None:
        """Flush, end the threads, and close what is open."""


class Nowhere:
    """The delivery of a disabled client."""

    def start(self) -> None:
        """Nothing is ever left."""

    def put(self, payloads: Sequence[bytes]) -> None:
        """Forget them."""

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002
        return True

    def flush_outbox(self, timeout_s: float) -> bool:  # noqa: ARG002
        return True

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""
