"""Test a player without Redis: a client that keeps in memory what it sends. `plugin` has the pytest fixture."""

from collections.abc import Iterable
from typing import Any, Unpack

from pydantic_core import from_json

from worker.client import Appended, AsyncClient, Client
from worker.client.options import ClientOptions

__all__ = ["AsyncMemoryClient", "MemoryClient", "MemoryTransport"]


class MemoryTransport:
    """A `Transport` whose stream is a list. Pass it to a client, or let `MemoryClient` do so.

    Attributes:
        payloads: what was appended, oldest first, as bytes.
        fault: raised by every method that would need Redis, such as a `StreamUnavailableError`; None while Redis works.
    """

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.fault: Exception | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was sent, oldest first, as the worker reads it. `sent_at` is removed, because no test can predict it."""
        sent = [from_json(payload) for payload in self.payloads]
        return [{name: value for name, value in event.items() if name != "sent_at"} for event in sent]

    def append(self, payloads: Iterable[bytes], *, durable: bool = False, counted: bool = False) -> Appended:  # noqa: ARG002 -- A list has no disk.
        self._raise_fault()
        first = len(self.payloads) + 1
        self.payloads.extend(payloads)
        entry_ids = [f"{number}-0" for number in range(first, len(self.payloads) + 1)]
        return Appended(entry_ids, len(self.payloads) if counted else None)

    def waiting(self) -> int:
        self._raise_fault()
        return len(self.payloads)

    def close(self) -> None:
        """Nothing to close."""

    def _raise_fault(self) -> None:
        if self.fault is not None:
            raise self.fault


class MemoryClient(Client):
    """Like `Client`, with the same rules and errors, but nothing leaves the process.

    >>> client = MemoryClient()
    >>> event_id = client.play(user="ada", artist="Tool", title="Parabola")
    >>> [(event["id"] == event_id, event["song"]["title"]) for event in client.events]
    [(True, 'Parabola')]

    Args:
        options: those of `Client`. `sync` is on by default, so that an event has been sent when the call returns.
    """

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.transport = MemoryTransport()
        super().__init__("memory://", transport=self.transport, **_with_defaults(options))

    @property
    def events(self) -> list[dict[str, Any]]:
        """See `MemoryTransport.events`."""
        return self.transport.events

    @property
    def fault(self) -> Exception | None:
        """See `MemoryTransport.fault`."""
        return self.transport.fault

    @fault.setter
    def fault(self, fault: Exception | None) -> None:
        self.transport.fault = fault


class AsyncMemoryClient(AsyncClient):
    """Like `AsyncClient`; the events are in `memory.events`."""

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self.memory = MemoryTransport()
        super().__init__("memory://", transport=self.memory, **_with_defaults(options))


def _with_defaults(options: ClientOptions) -> ClientOptions:
    return {"sync": True, "max_waiting": 0, **options}
