"""What became of the events that a client was given."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Counters:
    """All since the client was made, or since its process was forked."""

    sent: int = 0  # acknowledged by Redis
    retried: int = 0  # sent once more, after a fault; an event may count often
    dropped: int = 0  # no room, no time at the end, or withheld by before_send
    refused: int = 0  # against the contract
    _lock: Any = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, *, sent: int = 0, retried: int = 0, dropped: int = 0, refused: int = 0) -> None:
        with self._lock:
            self.sent += sent
            self.retried += retried
            self.dropped += dropped
            self.refused += refused

    def snapshot(self) -> "Counters":
        with self._lock:
            return replace(self)
