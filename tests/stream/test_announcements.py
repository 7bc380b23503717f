"""A revoked token is heard of at once, and after every outage the listener knows that it may have missed some."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import redis

from tests.support.processes import eventually
from tests.support.proxy import Proxy
from tests.support.servers import own_valkey
from worker.stream import announcements as module
from worker.stream.announcements import announcements
from worker.stream.consumer import EventStream
from worker.stream.keys import REVOKED

DIGESTS: Final = [f"{number:064x}" for number in range(3)]

Result = TypeVar("Result")


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(scenario, 60))


async def heard(listening: AsyncIterator[str | None], count: int) -> list[str | None]:
    return [await anext(listening) for _ in range(count)]


def listeners(valkey: "redis.Redis", count: int) -> bool:
    """Wait until so many connections are subscribed."""
    eventually(lambda: valkey.pubsub_numsub(REVOKED) == [(REVOKED.encode(), count)], within_s=5)
    return True


def test_digests_are_heard_in_order_after_the_marker_of_the_connection(redis_url: str, stream: EventStream) -> None:
    async def scenario() -> None:
        async with aclosing(announcements(redis_url, REVOKED)) as listening:
            assert await anext(listening) is None
            stream.announce_revoked(DIGESTS)
            assert await heard(listening, 3) == DIGESTS

    run(scenario())


def test_the_connection_ends_with_the_listener(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        async with aclosing(announcements(redis_url, REVOKED)) as listening:
            assert await anext(listening) is None
            assert valkey.pubsub_numsub(REVOKED) == [(REVOKED.encode(), 1)]

    run(scenario())
    assert listeners(valkey, 0)


def test_a_lost_connection_is_marked_again(proxy: Proxy, stream: EventStream, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        async with aclosing(announcements(f"redis://127.0.0.1:{proxy.port}/0", REVOKED)) as listening:
            assert await anext(listening) is None
            valkey.client_kill_filter(_type="pubsub")
            assert await anext(listening) is None
            stream.announce_revoked(DIGESTS[:1])
            assert await anext(listening) == DIGESTS[0]

    run(scenario())


def test_a_silent_network_is_noticed_and_left(
    proxy: Proxy, stream: EventStream, valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SOCKET_TIMEOUT_S", 0.5)

    async def scenario() -> None:
        async with aclosing(announcements(f"redis://127.0.0.1:{proxy.port}/0", REVOKED, quiet_s=0.1)) as listening:
            assert await anext(listening) is None
            again = asyncio.ensure_future(anext(listening))
            # As long as the server answers, no marker comes.
            assert (await asyncio.wait([again], timeout=1))[0] == set()
            proxy.fall_silent_at(b"PING")
            await asyncio.to_thread(eventually, lambda: proxy.silent, within_s=5)
            proxy.silent = False
            assert await again is None
            stream.announce_revoked(DIGESTS[:1])
            assert await anext(listening) == DIGESTS[0]
            # The silent connection is closed.
            assert await asyncio.to_thread(listeners, valkey, 1)

    run(scenario())


def test_a_server_that_is_away_is_tried_for_ever_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="worker.stream.announcements")

    async def scenario() -> None:
        with own_valkey(tmp_path) as valkey:
            async with aclosing(announcements(valkey.url, REVOKED)) as listening:
                assert await anext(listening) is None
                for outage in range(1, 3):
                    valkey.kill()
                    again = asyncio.ensure_future(anext(listening))
                    assert (await asyncio.wait([again], timeout=1.5))[0] == set()
                    valkey.start()
                    assert await again is None
                    levels = [record.levelname for record in caplog.records]
                    assert levels == ["WARNING", "INFO"] * outage

    run(scenario())
    assert "cannot hear the channel zik:{events}:revoked" in caplog.text
