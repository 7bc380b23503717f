"""Hear at once what is announced on a channel, on a connection of its own that comes back after every outage."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

import redis
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential, wait_random

from worker.stream.connection import SOCKET_TIMEOUT_S, connect_async, meaning_of

logger = logging.getLogger(__name__)

# After so long without a message the server is asked whether it is there: a lost network sends no word.
_QUIET_S: Final = 15.0
# So that a server that takes a subscription and ends it at once is not asked without pause.
_PAUSE_S: Final = 0.2


async def announcements(url: str, channel: str, *, quiet_s: float = _QUIET_S) -> AsyncGenerator[str | None, None]:
    """Yield each message of the channel from now on, and never end.

    Yields None after each connection: what was announced before has not been heard, so look everything up again.
    """
    client = connect_async(url)
    outage = _Outage(channel)
    subscribing = AsyncRetrying(
        retry=retry_if_exception_type((redis.RedisError, OSError)),
        wait=wait_exponential(multiplier=0.1, max=5.0) + wait_random(0, 0.5),
        before_sleep=outage.note,
    )
    try:
        while True:
            pubsub: Any = client.pubsub()
            try:
                await subscribing(pubsub.subscribe, channel)
                async for message in _messages(pubsub, quiet_s):
                    outage.end()
                    yield message
            except (redis.RedisError, OSError) as error:
                outage.begin(error)
                await asyncio.sleep(_PAUSE_S)
            finally:
                await pubsub.aclose()
    finally:
        await client.aclose()


async def _messages(pubsub: Any, quiet_s: float) -> AsyncGenerator[str | None, None]:
    """Yield messages, and None for each confirmation of a subscription, until the connection is lost."""
    was_asked = True
    while True:
        message = await pubsub.get_message(timeout=SOCKET_TIMEOUT_S if was_asked else quiet_s)
        if message is None:
            if was_asked:
                raise redis.TimeoutError("it has not answered in time")
            await pubsub.ping()
            was_asked = True
            continue
        was_asked = False
        if message["type"] == "message":
            yield message["data"].decode(errors="replace")
        elif message["type"] == "subscribe":
            yield None


class _Outage:
    """One line in the log when a channel is no longer heard, and one when it is again."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._is_on = False

    def note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, redis.RedisError | OSError):
            self.begin(error)

    def begin(self, error: redis.RedisError | OSError) -> None:
        if not self._is_on:
            self._is_on = True
            logger.warning("cannot hear the channel %s, and goes on trying: %s", self._channel, meaning_of(error))

    def end(self) -> None:
        if self._is_on:
            self._is_on = False
            logger.info("hears the channel %s again", self._channel)
