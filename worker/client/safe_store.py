"""Put events where a crash cannot reach them: into the outbox, or to Redis while the outbox takes none."""

from collections.abc import Callable, Sequence

from worker.client.outbox import Outbox
from worker.errors import OutboxError, ZikError


class SafeStore:
    """What a client with an outbox promises about its events.

    Args:
        outbox: where they wait.
        send: returns when they have reached Redis.
    """

    def __init__(self, outbox: Outbox, send: Callable[[Sequence[bytes]], None]) -> None:
        self._outbox = outbox
        self._send = send
        self._losses_at = {"store": outbox.losses, "flush": outbox.losses}

    def put_or_report(self, payloads: Sequence[bytes]) -> None:
        """Put, and report a fault of the disk once until it is over, also where the caller tries again."""
        try:
            self.put(payloads)
        except OutboxError as error:
            self._outbox.reporter.report_once(error)
            raise

    def put(self, payloads: Sequence[bytes]) -> None:
        """Return when the events are on disk here, or at Redis.

        Raises:
            OutboxError: the disk takes no events, and neither does Redis, or older events have to go there first.
        """
        try:
            self._outbox.append(payloads)
        except OutboxError as error:
            if self._outbox.must_go_first():
                raise
            try:
                self._send(payloads)
            except ZikError:
                raise error from None
            self._outbox.reporter.report_once(error)
        else:
            self._outbox.reporter.recovered()

    def keeps_all(self) -> bool:
        """Whether a restart would find what waits, and no event has been lost since the last answer."""
        return self._outbox.is_safe() and self._has_lost_none("store")

    def has_sent_all(self) -> bool:
        """Whether no event has been lost since the last answer. Ask when none waits any more."""
        return self._has_lost_none("flush")

    def _has_lost_none(self, question: str) -> bool:
        before, self._losses_at[question] = self._losses_at[question], self._outbox.losses
        return before == self._outbox.losses
