"""Events that wait to go on: what a pump takes them from, in memory or on disk."""

from typing import NamedTuple, Protocol


class Batch(NamedTuple):
    """The oldest payloads, and the number of the last of them. Numbers grow by one with each event."""

    payloads: list[bytes]
    last: int


class Waiting(Protocol):
    """Events in the order in which they were given. What was peeked at stays until it is discarded."""

    def peek(self, most: int) -> Batch | None:
        """The oldest events, at most `most`; None where nothing waits for this process."""

    def discard(self, batch: Batch) -> None:
        """Forget the batch and all before it: they have arrived."""

    def last(self) -> int:
        """The number of the latest event that was ever put here."""

    def passed(self, number: int) -> bool:
        """Whether the event with this number, and all before it, have been discarded."""

    def count(self) -> int:
        """How many wait. Not `__len__`: an empty outbox would be falsy."""
