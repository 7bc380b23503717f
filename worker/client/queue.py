"""Keep events in order until they are delivered: the protocol of a queue, and a bounded one in memory."""

import threading
from collections import deque
from itertools import islice
from typing import NamedTuple, Protocol


class QueuedBatch(NamedTuple):
    """The oldest payloads, and the number of the last one. Numbers grow by one with each event."""

    payloads: list[bytes]
    last: int


class EventQueue(Protocol):
    """Events in the order in which they were put. A batch stays in the queue until it is discarded."""

    def peek(self, limit: int) -> QueuedBatch | None:
        """The oldest events, at most `limit`; None if no event waits for this process."""

    def discard(self, batch: QueuedBatch) -> None:
        """Remove the batch and all events before it, because they are delivered."""

    def last_number(self) -> int:
        """The number of the newest event that was ever put here."""

    def is_discarded(self, number: int) -> bool:
        """Whether the event with this number, and all before it, have been discarded."""

    def count(self) -> int:
        """How many events wait. Not `__len__`, because an empty outbox would be falsy."""


class MemoryQueue:
    """Holds at most `max_events`. A full queue refuses new events and keeps the old ones."""

    def __init__(self, max_events: int) -> None:
        self.max_events = max_events
        self._payloads: deque[bytes] = deque()
        self._discarded = 0
        self._closed = False
        self._lock = threading.Lock()

    def put(self, payload: bytes) -> bool:
        with self._lock:
            if self._closed or len(self._payloads) >= self.max_events:
                return False
            self._payloads.append(payload)
            return True

    def peek(self, limit: int) -> QueuedBatch | None:
        with self._lock:
            payloads = list(islice(self._payloads, limit))
            return QueuedBatch(payloads, self._discarded + len(payloads)) if payloads else None

    def discard(self, batch: QueuedBatch) -> None:
        with self._lock:
            while self._discarded < batch.last:
                self._payloads.popleft()
                self._discarded += 1

    def close(self) -> list[bytes]:
        """Refuse events from now on, and return those that still wait."""
        with self._lock:
            self._closed = True
            undelivered = list(self._payloads)
            self._payloads.clear()
            self._discarded += len(undelivered)
            return undelivered

    def last_number(self) -> int:
        with self._lock:
            return self._discarded + len(self._payloads)

    def is_discarded(self, number: int) -> bool:
        return self._discarded >= number

    def count(self) -> int:
        return len(self._payloads)
