"""A TLS front for a server that speaks none: the Valkey of the tests is built without it."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from worker.local.valkey import free_port

_CHUNK: Final = 1 << 16


class TlsFront:
    """Takes TLS connections on 127.0.0.1 and forwards what they say to a port, until it is closed."""

    def __init__(self, upstream: int, context: ssl.SSLContext, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self._upstream, self._context = upstream, context
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def close(self) -> None:
        """End every connection, as the restart of a front does. Closing it twice is once."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        self._closing = asyncio.Event()
        server = await asyncio.start_server(self._forward, "127.0.0.1", self.port, ssl=self._context)
        self._ready.set()
        await self._closing.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            writer.transport.abort()
            inner_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while said := await reader.read(_CHUNK):
            writer.write(said)
            await writer.drain()
    writer.close()


@contextmanager
def tls_front(upstream: int, context: ssl.SSLContext, *, port: int | None = None) -> Iterator[TlsFront]:
    front = TlsFront(upstream, context, port=port)
    try:
        yield front
    finally:
        front.close()
