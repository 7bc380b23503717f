"""Connect to Redis, and translate redis-py's errors into zik's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from redis.backoff import NoBackoff
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
    except redis.OutOfMemoryError as error:
        raise StreamFullError("Redis is full (maxmemory): start workers, or give it more memory") from error
    except redis.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise StreamMisusedError(
                f"the key {STREAM} is not a stream: rename it, and zik creates the stream"
            ) from error
        raise StreamUnavailableError(f"Redis refuses the command: {error}") from error
    except (redis.RedisError, OSError) as error:
        raise StreamUnavailableError(f"Redis is out of reach: {error}") from error
