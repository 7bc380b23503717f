"""The Celery tasks: each finds its resources, calls one function and returns a small fact."""

from worker.tasks.aggregate import aggregate_listening
from worker.tasks.bootstrap import bootstrap_schema
from worker.tasks.charts import refresh_charts
from worker.tasks.feedback import publish_feedback
from worker.tasks.maintenance import maintenance
from worker.tasks.record import record_events

__all__ = [
    "aggregate_listening",
    "bootstrap_schema",
    "maintenance",
    "publish_feedback",
    "record_events",
    "refresh_charts",
]
