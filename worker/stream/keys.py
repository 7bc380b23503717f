"""Every Redis key, task and queue name, spelled once.

The braces are a Redis Cluster hash tag: the keys lie in one slot, so that one script may touch them all.
"""

from typing import Final

STREAM: Final = "zik:{events}"
BOOKS: Final = "zik:{events}:books"
ATTEMPTS: Final = "zik:{events}:attempts"
DRAINS: Final = "zik:{events}:drains"
MEASURES: Final = "zik:{events}:measures"
GROUP: Final = "recorders"
# The consumer that entries are given back to which were nobody's; it never reads.
LEFTOVERS: Final = "leftovers"
FIELD: Final = b"event"
