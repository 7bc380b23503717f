"""Every task and queue name, spelled once."""

from typing import Final

RECORD_EVENTS: Final = "worker.tasks.record_events"
BOOTSTRAP_SCHEMA: Final = "worker.tasks.bootstrap_schema"
AGGREGATE_LISTENING: Final = "worker.tasks.aggregate_listening"
REFRESH_CHARTS: Final = "worker.tasks.refresh_charts"
MAINTENANCE: Final = "worker.tasks.maintenance"
PUBLISH_FEEDBACK: Final = "worker.tasks.publish_feedback"

RECORD_QUEUE: Final = "zik.record"
STATISTICS_QUEUE: Final = "zik.statistics"
MAINTENANCE_QUEUE: Final = "zik.maintenance"
