"""Connect to Redis, and translate redis-py's errors into zik's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import redis
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError
from redis.retry import Retry

from worker.errors import SettingsError, StreamFullError, StreamMisusedError, StreamUnavailableError
from worker.stream.keys import STREAM
from worker.urls import redis_py_url

SOCKET_TIMEOUT_S: Final = 5.0
# What follows these words of "unknown command" is the command's beginning, and with it that of the event.
QUOTATION: Final = ", with args beginning with:"


def connect(url: str) -> "redis.Redis":
    """Make a client of the Redis at `url`; it connects when first used.

    Without redis-py's retries: they would repeat an XREADGROUP whose reply was lost, and hide what it read.

    Raises:
        SettingsError: the URL is none that zik serves.
    """
    checked = _checked(url)
    return redis.Redis.from_url(checked, retry=Retry(NoBackoff(), 0), **_options(checked))


def connect_async(url: str) -> "redis.asyncio.Redis":
    """Make a client for asyncio. Everything else is as in `connect`."""
    checked = _checked(url)
    retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_url(checked, retry=retry, **_options(checked))


def _checked(url: str) -> str:
    try:
        return redis_py_url(url)
    except ValueError as error:
        raise SettingsError(f"the URL of Redis {error}") from None


def _options(checked: str) -> dict[str, Any]:
    options = {
        "decode_responses": False,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": SOCKET_TIMEOUT_S,
        "retry_on_error": [],
        "client_name": "zik",
    }
    # A Unix socket needs no keepalive, and refuses the option.
    return options if checked.startswith("unix:") else {**options, "socket_keepalive": True}


@contextmanager
def translated() -> Iterator[None]:
    """Raise zik's errors instead of redis-py's."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        # A traceback must not show the event, either.
        raise meaning_of(error) from (None if QUOTATION in str(error) else error)


def meaning_of(error: redis.RedisError | OSError) -> StreamUnavailableError | StreamMisusedError:
    """Say what an error of Redis asks for, of the stream's server or of Celery's broker.

    Mostly by its words: redis-py cuts off the code, and has a class for few of them.
    """
    # The rest quotes the command, and with it the event.
    text = str(error).rpartition(" of pipeline caused error: ")[2].partition(QUOTATION)[0]
    if isinstance(error, redis.OutOfMemoryError):
        return StreamFullError("Redis is full (maxmemory)", way_out="start workers, or give it more memory")
    if isinstance(error, redis.AuthenticationError):
        return StreamUnavailableError(
            f"Redis is out of reach: {text.rstrip('.')}", way_out="correct the user and password of its URL"
        )
    if not isinstance(error, redis.ResponseError):
        return StreamUnavailableError(f"Redis is out of reach: {text}")
    if text.startswith("WRONGTYPE"):
        return StreamMisusedError(f"the key {STREAM} is not a stream", way_out="rename it, and zik creates the stream")
    if isinstance(error, AskError):
        slot, _, node = text.partition(" ")
        return StreamUnavailableError(
            f"this Redis is a node of a cluster, and slot {slot} is at {node}", way_out=_CLUSTER
        )
    way_out = next((way_out for sign, way_out in _REFUSALS.items() if sign in text), "")
    return StreamUnavailableError(f"Redis refuses the command: {text}", way_out=way_out)


def refusal_of(error: BaseException) -> StreamUnavailableError | StreamMisusedError | None:
    """What Redis has refused, though Celery has wrapped its error; None if no Redis refused a command."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, redis.ResponseError):
        cause = cause.__cause__ or cause.__context__
    return None if cause is None else meaning_of(cause)


# A cluster of one node has every key, and still refuses commands over keys of several slots.
_CLUSTER: Final = (
    f"REDIS_URL must be the node that holds the key {STREAM}, and CELERY_BROKER_URL a Redis that is not a cluster"
)
_TOO_OLD: Final = "REDIS_URL must be a Redis from 7.0 or a Valkey from 7.2 on, and not the port of a Sentinel"
_REFUSALS: Final = {
    "has no permissions": "give it the rights of its user in docs/redis.acl",
    "No permissions to access": "give it the rights of its user in docs/redis.acl",
    # Of a pipeline whose MULTI was refused, redis-py reports only the end.
    "EXEC without MULTI": "give it the right to MULTI, and the others of its user in docs/redis.acl",
    "write against a read only replica": "REDIS_URL must be the primary, or an address that follows it",
    "MISCONF": "make room on the disk of Redis; its log says why it cannot save",
    "Errors writing to the AOF": "make room on the disk of Redis; its log says why it cannot save",
    "Hash slot not served": _CLUSTER,
    "CROSSSLOT": _CLUSTER,
    "don't hash to the same slot": _CLUSTER,
    "CLUSTERDOWN": "repair the cluster: `redis-cli CLUSTER INFO`",
    "unknown command": _TOO_OLD,
    # What Lua before Redis 7 says of the first line of a script.
    "unexpected symbol near '#'": _TOO_OLD,
}
