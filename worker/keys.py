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

RECORD_EVENTS: Final = "worker.tasks.record_events"
BOOTSTRAP_SCHEMA: Final = "worker.tasks.bootstrap_schema"
AGGREGATE_LISTENING: Final = "worker.tasks.aggregate_listening"
REFRESH_CHARTS: Final = "worker.tasks.refresh_charts"
MAINTENANCE: Final = "worker.tasks.maintenance"
# What a beat of 0.1 calls it. To go with the release after 0.2.
MAINTENANCE_OF_0_1: Final = "worker.tasks.tidy_stream"

RECORD_QUEUE: Final = "zik.record"
STATISTICS_QUEUE: Final = "zik.statistics"
MAINTENANCE_QUEUE: Final = "zik.maintenance"
