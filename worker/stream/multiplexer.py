"""Share one connection to Redis among all requests of a process, and answer each within five seconds."""

import asyncio
from typing import Any, Final

import redis

from worker.errors import StreamUnavailableError
from worker.stream.connection import SOCKET_TIMEOUT_S, connect_async, meaning_of
from worker.stream.packing import Command, packed
from worker.stream.pipeline import NO_ANSWER, Cause, Pipeline, Room, open_pipeline

MAX_IN_FLIGHT_BYTES: Final = 64 * 2**20
# What a waiting call takes beside its bytes, and the pause after an attempt to connect that failed.
_CALL_BYTES: Final = 1_024
_PAUSE_S: Final = 0.25


class Multiplexer:
    """asyncio access to the Redis at `url`. It connects when first used, and again after each failure.

    All methods raise:
        StreamUnavailableError: Redis is away, refuses the command, or has not answered within `timeout_s`; or
            `max_in_flight_bytes` wait for it already. Whether it has executed the commands is unknown.
        StreamMisusedError: an operator must act first.
    """

    def __init__(
        self, url: str, *, timeout_s: float = SOCKET_TIMEOUT_S, max_in_flight_bytes: int = MAX_IN_FLIGHT_BYTES
    ) -> None:
        self._client = connect_async(url)
        self._timeout_s = timeout_s
        self._room = Room(max_in_flight_bytes)
        self._pipeline: Pipeline | None = None
        self._attempt: asyncio.Task[Pipeline | Cause] | None = None
        self._failure: tuple[float, Cause] | None = None

    async def call(self, *commands: Command) -> list[Any]:
        """Send commands in one write, and return the reply to each. The first error reply is raised."""
        return await self.send(packed(*commands), len(commands))

    async def send(self, commands: bytes, replies: int) -> list[Any]:
        """Send commands that are packed already, and return their replies when all have come, as `call` does."""
        if not replies:
            return []
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        size = len(commands) + _CALL_BYTES
        if not self._room.take(size):
            raise StreamUnavailableError("too many requests wait for Redis at once")
        pipeline = self._pipeline
        if pipeline is None or not pipeline.is_open:
            try:
                pipeline = await self._connected()
            except BaseException:
                self._room.free += size
                raise
        outcome = await pipeline.ask(commands, replies, size=size, deadline=deadline)
        if not isinstance(outcome, list):
            raise meaning_of(outcome) from outcome
        for reply in outcome:
            if isinstance(reply, redis.RedisError):
                self._look_elsewhere(pipeline, reply)
                raise meaning_of(reply) from reply
        return outcome

    def close(self) -> None:
        """Drop the connection. Calls that wait fail."""
        if self._attempt is not None:
            self._attempt.cancel()
        if self._pipeline is not None:
            self._pipeline.end(redis.ConnectionError("zik has closed the connection"))

    async def _connected(self) -> Pipeline:
        """Connect, or wait for the attempt under way: there is one at a time, and it outlives a cancelled caller."""
        if self._attempt is None:
            if self._failure is not None:
                failed_at, cause = self._failure
                if asyncio.get_running_loop().time() < failed_at + _PAUSE_S:
                    raise meaning_of(cause) from cause
            self._attempt = asyncio.create_task(self._connect())
        outcome = await asyncio.shield(self._attempt)
        if isinstance(outcome, Pipeline):
            return outcome
        raise meaning_of(outcome) from outcome

    async def _connect(self) -> Pipeline | Cause:
        cause: Cause
        self._failure = None
        try:
            deadline = asyncio.get_running_loop().time() + self._timeout_s
            async with asyncio.timeout_at(deadline):
                self._pipeline = await open_pipeline(self._client, self._room, deadline=deadline)
        except TimeoutError:
            cause = redis.TimeoutError(NO_ANSWER)
        except (redis.RedisError, OSError) as error:
            cause = error
        else:
            return self._pipeline
        finally:
            self._attempt = None
        self._failure = asyncio.get_running_loop().time(), cause
        return cause

    def _look_elsewhere(self, pipeline: Pipeline, error: redis.RedisError) -> None:
        """After a failover the address may lead to the new primary, and the connection to a replica that lives on."""
        if isinstance(error, redis.ReadOnlyError):
            pipeline.end(error)
