"""The publisher for asyncio: the same client, whose waits do not hold up the event loop."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from worker.client.client import Client
from worker.client.events import EventMethods
from worker.client.options import Given
from worker.client.reporting import Counters


class AsyncClient(EventMethods[Coroutine[Any, Any, str]]):
    """As `Client`, with `await` before each call and `async with` around them.

    >>> async with AsyncClient("redis://127.0.0.1:6379/0") as client:          # doctest: +SKIP
    ...     await client.play(user="ada", artist="Tool", title="Parabola")

    The client's threads speak to Redis and to the disk, so neither can hold up the event loop; `on_error` is called in
    them. With `sync=True` a call is awaited until Redis has acknowledged the event.
    """

    def __init__(self, url: str, **options: Unpack[Given]) -> None:
        self._client = self._made(url, options)
        self._source = options.get("source")
        self._sync = options.get("sync", False)

    def _made(self, url: str, options: Given) -> Client:
        return Client(url, **options)

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
