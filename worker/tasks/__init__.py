"""The Celery tasks: thin shells that find their resources and call one function."""

from worker.tasks import measured
from worker.tasks.bootstrap import bootstrap_schema
from worker.tasks.record import record_events
from worker.tasks.tidy import tidy_stream

__all__ = ["bootstrap_schema", "measured", "record_events", "tidy_stream"]
