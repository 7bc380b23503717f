"""What a publisher needs from a stream, so that a test can pass one in memory instead of Redis."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol


class Appended(NamedTuple):
    """What has become of a batch.

    Attributes:
        entry_ids: the entries' ids in order; empty where a server in between keeps them.
        waiting: how many entries the stream holds now, if the caller asked to count them.
        refused: why an event will never be accepted, by its position in the batch, which may name no value of it.
    """

    entry_ids: list[str]
    waiting: int | None
    refused: Mapping[int, str] = MappingProxyType({})


class Transport(Protocol):
    """Adds events to a stream. `Producer` does it over Redis, `HttpTransport` by way of a server.

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
