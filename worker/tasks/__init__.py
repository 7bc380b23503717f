"""The Celery tasks: thin shells that find their resources and call one function."""

from worker.celery import task_metrics as measured
from worker.tasks.aggregate import aggregate_listening
from worker.tasks.bootstrap import bootstrap_schema
from worker.tasks.charts import refresh_charts
from worker.tasks.maintenance import maintenance
from worker.tasks.record import record_events

__all__ = ["aggregate_listening", "bootstrap_schema", "maintenance", "measured", "record_events", "refresh_charts"]
