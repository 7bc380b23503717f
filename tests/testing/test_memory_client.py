"""What authors of players rely on in their own tests."""

import asyncio
from typing import Any

import pytest

from worker.client import Client
from worker.errors import InvalidEventError, StreamUnavailableError
from worker.testing import AsyncMemoryClient, MemoryClient, MemoryTransport

pytest_plugins = ["worker.testing.plugin"]
SONG: Any = {"artist": "Tool", "title": "Parabola"}


def test_the_fixture_keeps_published_events(zik_client: MemoryClient) -> None:
    event_id = zik_client.play(user="ada", **SONG)
    (event,) = zik_client.events
    assert (event["id"], event["song"]) == (event_id, SONG)


def test_the_fixture_refuses_invalid_events(zik_client: MemoryClient) -> None:
    with pytest.raises(InvalidEventError, match="user"):
        zik_client.play(user="", **SONG)
    assert zik_client.events == []


def test_a_fault_is_raised_to_the_player() -> None:
    client = MemoryClient()
    client.fault = StreamUnavailableError("away")
    with pytest.raises(StreamUnavailableError):
        client.play(user="ada", **SONG)
    client.fault = None
    client.play(user="ada", **SONG)
    assert len(client.events) == 1


def test_with_threads_it_sends_at_flush() -> None:
    with MemoryClient(sync=False, flush_interval_s=60) as client:
        client.play(user="ada", **SONG)
        assert client.events == []
        assert client.flush(30)
        assert len(client.events) == 1


def test_the_async_fixture_keeps_events_too() -> None:
    async def player() -> AsyncMemoryClient:
        async with AsyncMemoryClient(source="x/1") as client:
            await client.play(user="ada", **SONG)
        return client

    (event,) = asyncio.run(player()).memory.events
    assert event["source"] == "x/1"


class _ClosingTransport(MemoryTransport):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_a_client_closes_the_transport_that_it_was_given() -> None:
    transport = _ClosingTransport()
    with Client("redis://127.0.0.1:1/0", transport=transport) as client:
        client.play(user="ada", **SONG)
    assert (len(transport.events), transport.closed) == (1, 1)


def test_an_async_fault_is_raised_to_the_player() -> None:
    async def player() -> None:
        async with AsyncMemoryClient() as client:
            client.memory.fault = StreamUnavailableError("away")
            with pytest.raises(StreamUnavailableError):
                await client.play(user="ada", **SONG)

    asyncio.run(player())
