"""Every Redis key, task and queue name, spelled once.

The braces are a Redis Cluster hash tag: the keys lie in one slot, so that one script may touch them all.
"""

from typing import Final

STREAM: Final = "zik:{events}"
BOOKS: Final = "zik:{events}:books"
DRAINS: Final = "zik:{events}:drains"
MEASURES: Final = "zik:{events}:measures"
GROUP: Final = "recorders"
FIELD: Final = b"event"

RECORD_EVENTS: Final = "worker.tasks.record_events"
BOOTSTRAP_SCHEMA: Final = "worker.tasks.bootstrap_schema"
TIDY_STREAM: Final = "worker.tasks.tidy_stream"

RECORD_QUEUE: Final = "zik.record"
MAINTENANCE_QUEUE: Final = "zik.maintenance"
