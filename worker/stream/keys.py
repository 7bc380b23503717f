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
