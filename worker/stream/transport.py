"""What a publisher needs from a stream, so that a test can pass one in memory instead of Redis."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Appended(NamedTuple):
    """The entries' ids in order; and how many entries the stream holds now, if the caller asked to count them."""

    entry_ids: list[str]
    waiting: int | None


class Transport(Protocol):
    """Adds events to a stream. `Producer` does it over Redis.

    Raises (all methods):
        StreamUnavailableError: a later try may succeed.
        StreamMisusedError: an operator must act first.
    """

    def append(self, payloads: Iterable[bytes], *, durable: bool = False, counted: bool = False) -> Appended:
        """Add events in order. After an error some of them may have been added.

        Args:
            payloads: encoded events.
            durable: return only when they are on the server's disk.
            counted: fill in `Appended.waiting`.
        """

    def waiting(self) -> int:
        """How many entries the stream holds, which is how many no worker has recorded yet."""

    def close(self) -> None:
        """Release connections. Closing twice is allowed."""
