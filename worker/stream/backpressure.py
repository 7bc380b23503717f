"""Backpressure in the stream: publishers add events while it holds fewer than it may, instead of filling Redis."""

from collections.abc import Sequence

from worker.errors import StreamFullError
from worker.stream.transport import Transport


class Backpressure:
    """What one publisher knows of it.

    Args:
        transport: where the events go.
        max_waiting: with so many entries in the stream nothing is added; 0 means no limit. The server is asked with
            each batch, in its round trip, so several publishers may go beyond it by one batch each.
    """

    def __init__(self, transport: Transport, *, max_waiting: int) -> None:
        self._transport = transport
        self._max_waiting = max_waiting
        self._waiting: int | None = None

    def check(self) -> None:
        """Return where a batch may be added.

        Raises:
            StreamFullError: the stream holds `max_waiting` entries.
        """
        if not self._max_waiting or (self._waiting is not None and self._waiting < self._max_waiting):
            return
        self._waiting = self._transport.waiting()
        if self._waiting >= self._max_waiting:
            limit = f"of {self._max_waiting:,} that may (ZIK_MAX_WAITING)"
            raise StreamFullError(f"{self._waiting:,} events wait for workers, {limit}: start more workers")

    def append(self, payloads: Sequence[bytes], *, durable: bool = False) -> None:
        """Add a batch, and learn how much room there is after it. Errors are those of `Transport.append`."""
        self._waiting = self._transport.append(payloads, durable=durable, counted=bool(self._max_waiting)).waiting
