"""Connect to Redis, and translate redis-py's errors into zik's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError
from redis.retry import Retry

from worker.errors import SettingsError, StreamFullError, StreamMisusedError, StreamUnavailableError
from worker.stream.keys import STREAM
from worker.urls import redis_py_url

SOCKET_TIMEOUT_S: Final = 5.0


def connect(url: str) -> "redis.Redis":
    """Make a client of the Redis at `url`; it connects when first used.

    Without redis-py's retries: they would repeat an XREADGROUP whose reply was lost, and hide what it read.

    Raises:
        SettingsError: the URL is none that zik serves.
    """
    try:
        checked = redis_py_url(url)
    except ValueError as error:
        raise SettingsError(f"the URL of Redis {error}") from None
    # A Unix socket needs no keepalive, and refuses the option.
    tcp = {} if checked.startswith("unix:") else {"socket_keepalive": True}
    return redis.Redis.from_url(
        checked,
        decode_responses=False,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        client_name="zik",
        **tcp,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Raise zik's errors instead of redis-py's."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise meaning_of(error) from error


def meaning_of(error: redis.RedisError | OSError) -> StreamUnavailableError | StreamMisusedError:
    """Say what an error of Redis asks for, of the stream's server or of Celery's broker.

    Mostly by its words: redis-py cuts off the code, and has a class for few of them.
    """
    # The rest quotes the command.
    text = str(error).rpartition(" of pipeline caused error: ")[2]
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
