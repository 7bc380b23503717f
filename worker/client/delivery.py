"""The way of accepted events from the call to Redis: by threads, at once, or not at all."""

from collections.abc import Sequence
from typing import Protocol


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
