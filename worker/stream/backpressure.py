"""Stop publishers before they fill Redis: the stream may hold only so many waiting entries."""

from collections.abc import Sequence

from worker.errors import StreamFullError
from worker.stream.transport import Appended, Transport


def check_waiting(waiting: int, max_waiting: int) -> None:
    """Raise StreamFullError if the stream holds `max_waiting` entries."""
    if waiting >= max_waiting:
        limit = f"the limit is {max_waiting:,} (ZIK_MAX_WAITING)"
        raise StreamFullError(f"{waiting:,} events wait for workers, {limit}: start more workers")


class Backpressure:
    """The limit as one publisher sees it.

    Args:
        transport: where the events go.
        max_waiting: nothing is added while the stream holds so many entries; 0 means no limit. The number comes back
            with each batch, so several publishers together may exceed it by one batch each.
    """

    def __init__(self, transport: Transport, *, max_waiting: int) -> None:
        self._transport = transport
        self._max_waiting = max_waiting
        self._waiting: int | None = None

    def check(self) -> None:
        """Return if a batch may be added.

        Raises:
            StreamFullError: the stream holds `max_waiting` entries.
        """
        if not self._max_waiting or (self._waiting is not None and self._waiting < self._max_waiting):
            return
        self._waiting = self._transport.waiting()
        check_waiting(self._waiting, self._max_waiting)

    def append(self, payloads: Sequence[bytes], *, durable: bool = False) -> Appended:
        """Add a batch, and note how many entries the stream holds after it. Raises as `Transport.append` does."""
        appended = self._transport.append(payloads, durable=durable, counted=bool(self._max_waiting))
        self._waiting = appended.waiting
        return appended
