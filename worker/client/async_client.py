"""The client for asyncio: the same promises, and no call blocks the event loop."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from worker.client.client import Client
from worker.client.events import EventMethods
from worker.client.options import ClientOptions
from worker.client.reporting import Counters
from worker.stream.transport import Transport


class AsyncClient(EventMethods[Coroutine[Any, Any, str]]):
    """Like `Client`, with `await` before each call and `async with` around them.

    >>> async with AsyncClient("redis://127.0.0.1:6379/0") as client:          # doctest: +SKIP
    ...     await client.play(user="ada", artist="Tool", title="Parabola")

    Threads of the client talk to Redis and to the disk, so neither blocks the event loop. They also call `on_error`.
    With `sync=True` a call returns when Redis has acknowledged the event.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        transport: Transport | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._client = Client(url, token=token, transport=transport, **options)
        self._source = options.get("source")
        self._sync = options.get("sync", False)

    @property
    def counters(self) -> Counters:
        return self._client.counters

    async def publish(self, event: Mapping[str, Any]) -> str:
        return (await self.publish_many([event]))[0]

    async def publish_many(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        if self._sync:
            return await asyncio.to_thread(self._client.publish_many, events)
        return self._client.publish_many(events)

    async def flush(self, timeout_s: float = 5.0) -> bool:
        return await asyncio.to_thread(self._client.flush, timeout_s)

    async def flush_outbox(self, timeout_s: float = 5.0) -> bool:
        return await asyncio.to_thread(self._client.flush_outbox, timeout_s)

    async def close(self, timeout_s: float = 5.0) -> None:
        await asyncio.to_thread(self._client.close, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
