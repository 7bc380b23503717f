"""A bounded queue of events in memory."""

import threading
from collections import deque
from itertools import islice
from typing import NamedTuple, Protocol


class QueuedBatch(NamedTuple):
    """The oldest payloads, and the number of the last of them. Numbers grow by one with each event."""

    payloads: list[bytes]
    last: int


class EventQueue(Protocol):
    """Events in the order in which they were given. What was peeked at stays until it is discarded."""

    def peek(self, most: int) -> QueuedBatch | None:
        """The oldest events, at most `most`; None where nothing waits for this process."""

    def discard(self, batch: QueuedBatch) -> None:
        """Forget the batch and all before it: they have arrived."""

    def last(self) -> int:
        """The number of the latest event that was ever put here."""

    def passed(self, number: int) -> bool:
        """Whether the event with this number, and all before it, have been discarded."""

    def count(self) -> int:
        """How many wait. Not `__len__`: an empty outbox would be falsy."""


class MemoryQueue:
    """Holds at most `most` events. Full, it takes no more: what was told first is not thrown away for what is newer."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._payloads: deque[bytes] = deque()
        self._discarded = 0
        self._shut = False
        self._lock = threading.Lock()

    def put(self, payload: bytes) -> bool:
        with self._lock:
            if self._shut or len(self._payloads) >= self.most:
                return False
            self._payloads.append(payload)
            return True

    def peek(self, most: int) -> QueuedBatch | None:
        with self._lock:
            payloads = list(islice(self._payloads, most))
            return QueuedBatch(payloads, self._discarded + len(payloads)) if payloads else None

    def discard(self, batch: QueuedBatch) -> None:
        with self._lock:
            while self._discarded < batch.last:
                self._payloads.popleft()
                self._discarded += 1

    def shut(self) -> list[bytes]:
        """Take no more from now on, and give back what still waits."""
        with self._lock:
            self._shut = True
            left = list(self._payloads)
            self._payloads.clear()
            self._discarded += len(left)
            return left

    def last(self) -> int:
        with self._lock:
            return self._discarded + len(self._payloads)

    def passed(self, number: int) -> bool:
        return self._discarded >= number

    def count(self) -> int:
        return len(self._payloads)
