"""For tests of players: a client that keeps in memory what it would send. The pytest fixture is in `plugin`."""

from collections.abc import Iterable
from itertools import count
from typing import Any, Unpack

from pydantic_core import from_json

from worker.client import AsyncClient, Client
from worker.client.options import Given
from worker.stream.producer import Appended, Producer

__all__ = ["AsyncMemoryClient", "MemoryClient"]


class MemoryClient(Client):
    """As `Client`, with the same rules and errors, for a Redis that is this object.

    >>> client = MemoryClient()
    >>> event_id = client.play(user="ada", artist="Tool", title="Parabola")
    >>> [(event["id"] == event_id, event["song"]["title"]) for event in client.events]
    [(True, 'Parabola')]

    Args:
        options: those of `Client`; `sync` unless said otherwise, so that what was called has been sent.
    """

    def __init__(self, **options: Unpack[Given]) -> None:
        self._stream = _MemoryStream()
        super().__init__("memory://", **_with_defaults(options))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was sent, oldest first, as the worker would read it, but for `sent_at`: no test could expect it."""
        sent = [from_json(payload) for payload in self._stream.payloads]
        return [{name: value for name, value in event.items() if name != "sent_at"} for event in sent]

    @property
    def fault(self) -> Exception | None:
        """What every attempt to send fails with, such as a `StreamUnavailableError`; None while Redis is well."""
        return self._stream.fault

    @fault.setter
    def fault(self, fault: Exception | None) -> None:
        self._stream.fault = fault

    def _producer(self) -> Producer:
        return self._stream


class AsyncMemoryClient(AsyncClient):
    """As `AsyncClient`; the events are in `memory.events`."""

    memory: MemoryClient

    def __init__(self, **options: Unpack[Given]) -> None:
        super().__init__("memory://", **_with_defaults(options))

    def _made(self, url: str, options: Given) -> Client:  # noqa: ARG002
        self.memory = MemoryClient(**options)
        return self.memory


def _with_defaults(options: Given) -> Given:
    return {"sync": True, "max_waiting": 0, **options}


class _MemoryStream(Producer):
    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.fault: Exception | None = None
        self._numbers = count(1)

    def append(self, payloads: Iterable[bytes], *, durable: bool = False, counted: bool = False) -> Appended:  # noqa: ARG002
        if self.fault is not None:
            raise self.fault
        new = list(payloads)
        self.payloads += new
        return Appended([f"{next(self._numbers)}-0" for _ in new], self.waiting() if counted else None)

    def waiting(self) -> int:
        return len(self.payloads)

    def close(self) -> None:
        """Nothing is open."""
