"""Add events to the stream: in order, many in one round trip."""

from collections.abc import Iterable
from typing import Any, Final, Self

import redis

from worker.errors import NotDurableError, StreamUnavailableError
from worker.stream.connection import connect, translated
from worker.stream.keys import STREAM
from worker.stream.packing import Command, packed, packed_events
from worker.stream.transport import Appended

# Below the socket timeout, and above the second after which Redis syncs its append-only file by default.
_ON_DISK_WITHIN_MS: Final = 3_000


class Producer:
    """All the Redis that a publisher needs.

    Every method raises `StreamUnavailableError` where waiting helps, and `StreamMisusedError` where it does not.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._redis: Any = client

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(connect(url))

    def close(self) -> None:
        self._redis.close()

    def waiting(self) -> int:
        """How many entries the stream holds, that is, how many no worker has recorded yet."""
        with translated():
            return int(self._redis.xlen(STREAM))

    def append(self, payloads: Iterable[bytes], *, durable: bool = False, counted: bool = False) -> Appended:
        """Add events in order, in one round trip.

        Args:
            payloads: encoded events.
            durable: return only when Redis has them on its disk (WAITAOF; Redis ≥ 7.2, any Valkey).
            counted: request the number of entries in the stream, in the same round trip.

        Raises:
            StreamFullError: Redis has reached `maxmemory`. It may have accepted some of the events; their ids make it
                harmless to publish all of them again.
            NotDurableError: the server cannot promise what `durable` asks for. It may have accepted the events.
        """
        more: list[Command] = []
        if counted:
            more.append(("XLEN", STREAM))
        if durable:
            more.append(("WAITAOF", 1, 0, _ON_DISK_WITHIN_MS))
        with translated():
            replies = self._round_trip(list(payloads), more)
            if durable:
                _check_on_disk(replies.pop())
            for reply in replies:
                if isinstance(reply, redis.RedisError):
                    raise reply
        waiting = replies.pop() if counted else None
        return Appended([entry_id.decode() for entry_id in replies], waiting)

    def _round_trip(self, payloads: list[bytes], more: list[Command]) -> list[Any]:
        """Return the reply to each XADD and to each further command; an error is a reply too.

        Uses redis-py's connection, not its pipeline: a pipeline takes twice the time, and its errors quote the command
        and with it the event.
        """
        pool = self._redis.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command([packed_events(payloads), packed(*more)])
            return [_reply(connection) for _ in range(len(payloads) + len(more))]
        except BaseException:
            # Unread replies would answer the next caller's commands.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _check_on_disk(reply: Any) -> None:
    """Raise unless the reply to WAITAOF says that this server has synced its append-only file."""
    if not isinstance(reply, redis.RedisError):
        if not reply[0]:
            raise StreamUnavailableError(f"Redis did not sync to disk within {_ON_DISK_WITHIN_MS} ms")
        return
    if "appendonly is disabled" in str(reply):
        raise NotDurableError("durable=True needs a Redis with `appendonly yes`: set it, or leave out durable")
    if "unknown command" in str(reply):
        raise NotDurableError("durable=True needs WAITAOF, of Redis 7.2 or any Valkey: upgrade, or leave out durable")
    raise reply
