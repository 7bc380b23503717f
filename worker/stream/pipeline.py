"""One asyncio connection to Redis: commands are written without waiting, and replies are matched to them in order."""

import asyncio
import socket
from collections import deque
from typing import Any, Final, TypeAlias

import hiredis
import redis
from redis.asyncio.connection import DefaultParser, SSLConnection, UnixDomainSocketConnection

from worker.stream.connection import QUOTATION
from worker.stream.packing import Command, packed

Cause: TypeAlias = redis.RedisError | OSError

NO_ANSWER: Final = "it has not answered in time"
_MORE: Final = object()


class Room:
    """The bytes that may be on their way to Redis or wait there. What is over the limit is refused at once."""

    def __init__(self, limit: int) -> None:
        self.free = limit

    def take(self, size: int) -> bool:
        """Take room for `size` bytes, and return whether there was any."""
        if size > self.free:
            return False
        self.free -= size
        return True


class _Call:
    """Commands whose replies are awaited together. A caller who has gone leaves it in its place."""

    __slots__ = ("deadline", "future", "replies", "size", "wanted")

    def __init__(self, wanted: int, size: int, deadline: float, future: "asyncio.Future[Any]") -> None:
        self.wanted = wanted
        self.size = size
        self.deadline = deadline
        self.future = future
        self.replies: list[Any] = []


class Pipeline(asyncio.Protocol):
    """A connection that lives until something is wrong with it; then every call that waits gets the cause.

    Args:
        room: gets back what a call had taken, as soon as its last reply is there. The transport's buffer cannot grow
            beyond it.
    """

    def __init__(self, room: Room) -> None:
        self.cause: Cause | None = None
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._calls: deque[_Call] = deque()
        self._unwritten: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._reader = hiredis.Reader(protocolError=redis.InvalidResponse, replyError=_refusal, notEnoughData=_MORE)

    @property
    def is_open(self) -> bool:
        return self.cause is None

    def ask(self, commands: bytes, wanted: int, *, size: int, deadline: float) -> "asyncio.Future[Any]":
        """Write packed commands. The future gets the list of `wanted` replies, or what ended the pipeline.

        That is a result, not raised, so that nobody has to fetch it: a caller may have been cancelled.
        """
        call = _Call(wanted, size, deadline, self._loop.create_future())
        self._calls.append(call)
        if self.cause is not None:
            self.end(self.cause)
            return call.future
        if self._timer is None or deadline < self._timer.when():
            self._wake_at(deadline)
        # One system call for all that the other tasks ask before the loop's next turn: twice as fast under load.
        if not self._unwritten:
            self._loop.call_soon(self._write)
        self._unwritten.append(commands)
        return call.future

    def end(self, cause: Cause) -> None:
        """Drop the connection: nobody can say any more which reply belongs to which call."""
        self.cause = self.cause or cause
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        while self._calls:
            self._settle(self._calls.popleft(), self.cause)

    def _write(self) -> None:
        commands, self._unwritten = self._unwritten, []
        if self.is_open:
            self._transport.write(b"".join(commands))

    def _settle(self, call: _Call, result: Any) -> None:
        self._room.free += call.size
        if not call.future.done():
            call.future.set_result(result)

    def _wake_at(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._check_deadlines)

    def _check_deadlines(self) -> None:
        """One timer for all calls: most are answered in a thousandth of the time."""
        self._timer = None
        if not self._calls:
            return
        # Mostly that of the oldest call; but a call that had to wait for the connection began earlier.
        deadline = min(call.deadline for call in self._calls)
        if deadline <= self._loop.time():
            self.end(redis.TimeoutError(NO_ANSWER))
        else:
            self._wake_at(deadline)

    # --- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _MORE:
                call = self._calls[0]
                call.replies.append(reply)
                if len(call.replies) == call.wanted:
                    self._settle(self._calls.popleft(), call.replies)
        except redis.RedisError as error:
            self.end(error)
        except IndexError:
            self.end(redis.InvalidResponse("it sent a reply without a command"))

    def connection_lost(self, error: Exception | None) -> None:
        self.end(error if isinstance(error, OSError) else redis.ConnectionError("it closed the connection"))


def _refusal(reply: str) -> Exception:
    """Read an error reply as redis-py does, without the beginning of the event that "unknown command" quotes."""
    parser: Any = DefaultParser
    error: Exception = parser.parse_error(reply.partition(QUOTATION)[0])
    return error


async def open_pipeline(client: "redis.asyncio.Redis", room: Room, *, deadline: float) -> Pipeline:
    """Connect as redis-py's `client` would: to its address, with its TLS, as its user, to its database.

    redis-py's own connection is not used further, because it takes a task switch and a timer for each reply.

    Raises:
        redis.RedisError: Redis refuses the login or the database.
        OSError: it is out of reach, or not whom its certificate should name.
    """
    pool: Any = client.connection_pool
    found = pool.make_connection()
    pipeline = await _dial(found, room)
    commands = _login(found)
    try:
        outcome = await pipeline.ask(packed(*commands), len(commands), size=0, deadline=deadline)
    except BaseException as error:
        pipeline.end(redis.ConnectionError(f"interrupted by {type(error).__name__}"))
        raise
    replies = outcome if isinstance(outcome, list) else [outcome]
    for reply in replies:
        if isinstance(reply, redis.RedisError | OSError):
            pipeline.end(reply)
            raise reply
    return pipeline


async def _dial(found: Any, room: Room) -> Pipeline:
    loop = asyncio.get_running_loop()
    if isinstance(found, UnixDomainSocketConnection):
        return (await loop.create_unix_connection(lambda: Pipeline(room), found.path))[1]
    # Made for each connection, so that a renewed certificate needs no restart.
    tls = found.ssl_context.get() if isinstance(found, SSLConnection) else None
    transport, pipeline = await loop.create_connection(lambda: Pipeline(room), found.host, found.port, ssl=tls)
    # A connection that a router has forgotten is found while nobody waits for it.
    tcp = transport.get_extra_info("socket")
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in found.socket_keepalive_options.items():
        tcp.setsockopt(socket.IPPROTO_TCP, option, value)
    return pipeline


def _login(found: Any) -> list[Command]:
    commands: list[Command] = [("CLIENT", "SETNAME", found.client_name)]
    if found.username or found.password:
        user = (found.username,) if found.username else ()
        commands.insert(0, ("AUTH", *user, found.password or ""))
    if found.db:
        commands.append(("SELECT", found.db))
    return commands
