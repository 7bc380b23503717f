"""Every Redis key, spelled once.

The braces are a Redis Cluster hash tag: all keys lie in one slot, so one script may use them together.
"""

from typing import Final

STREAM: Final = "zik:{events}"
BOOKS: Final = "zik:{events}:books"
ATTEMPTS: Final = "zik:{events}:attempts"
DRAINS: Final = "zik:{events}:drains"
MEASURES: Final = "zik:{events}:measures"
GROUP: Final = "recorders"
# Placeholder consumer that owns orphaned entries; it never reads.
ORPHANS: Final = "leftovers"
FIELD: Final = b"event"
# An optional second field of an entry: the W3C trace context of the request that the event came with.
TRACE_FIELD: Final = b"traceparent"
# What plays now: a key for each user, and a sorted set of the users by the time at which that key expires.
NOW_PLAYING: Final = "zik:{events}:now"
# Counters and values of the HTTP door that expire by themselves.
DOOR: Final = "zik:{events}:door"
# A channel on which the digests of revoked tokens are announced.
REVOKED: Final = "zik:{events}:revoked"
# A channel on which the names of users are announced whose data has changed.
CHANGED: Final = "zik:{events}:changed"


def now_playing_key(user: str) -> str:
    return f"{NOW_PLAYING}:{user}"
