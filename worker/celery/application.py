"""The Celery application: `celery -A worker worker`, `celery -A worker beat`."""

import logging
from typing import Any

from celery import Celery
from celery.apps.worker import Worker
from celery.signals import after_setup_logger, after_setup_task_logger, worker_ready
from celery.utils.log import get_multiprocessing_logger
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport import resolve_transport

from worker.celery.bootsteps import Bell, Relief
from worker.celery.log_filters import hide_noise
from worker.celery.names import (
    AGGREGATE_LISTENING,
    BOOTSTRAP_SCHEMA,
    MAINTENANCE,
    MAINTENANCE_QUEUE,
    PUBLISH_FEEDBACK,
    RECORD_EVENTS,
    RECORD_QUEUE,
    REFRESH_CHARTS,
    STATISTICS_QUEUE,
)
from worker.celery.transport import use_filtering_transports
from worker.errors import SettingsError
from worker.logs import write_lines
from worker.settings import Settings, load_settings
from worker.stream.connection import refusal_of

logger = logging.getLogger(__name__)

_HOUR_S = 3600.0
_QUEUES = (RECORD_QUEUE, STATISTICS_QUEUE, MAINTENANCE_QUEUE)
_SCHEDULE = {
    "compute stale days": {"task": AGGREGATE_LISTENING, "schedule": 10.0},
    "draw the running charts": {"task": REFRESH_CHARTS, "schedule": _HOUR_S},
    "draw the closed charts": {"task": REFRESH_CHARTS, "schedule": 24 * _HOUR_S, "kwargs": {"closed": True}},
    "publish feedback": {"task": PUBLISH_FEEDBACK, "schedule": 60.0},
    "maintain": {"task": MAINTENANCE, "schedule": _HOUR_S},
}
# The queues share one exchange, so each needs its routing key, or every queue gets every message.
_EXCHANGE = Exchange("zik", type="direct")
_CELERYS_BEAT = "celery.worker.components:Beat"


class QuietWorker(Worker):
    """A worker that exchanges no messages with other workers, and runs beat in a thread if it is told to run one.

    zik needs neither gossip nor heartbeats, and mingle copies every worker's revoked tasks to a new one: that costs
    traffic, and spreads one worker's trouble to the next. With remote control, heartbeats show Flower who is online.
    """

    app: "ZikCelery"

    class Blueprint(Worker.Blueprint):  # noqa: D106 -- Celery's name
        default_steps = (Worker.Blueprint.default_steps - {_CELERYS_BEAT}) | {"worker.celery.beat:Beat"}

    def prepare_args(self, **options: Any) -> dict[str, Any]:
        without_heartbeat = not self.app.settings.remote_control
        quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": without_heartbeat}
        return {**super().prepare_args(**options), **quiet}


class ZikCelery(Celery):
    """A Celery application that carries zik's settings."""

    task_cls = "worker.celery.task_class:ZikTask"
    settings: Settings

    @property
    def Worker(self) -> type[QuietWorker]:  # noqa: N802 -- Celery's name
        return self.subclass_with_self(QuietWorker)


def make_app(settings: Settings) -> ZikCelery:
    """The application for these settings."""
    use_filtering_transports()
    app = ZikCelery("worker", include=["worker.tasks", "worker.celery.task_metrics"])
    app.settings = settings
    app.conf.update(
        broker_url=settings.broker_url,
        broker_connection_retry_on_startup=True,
        # Redis refuses commands while its disk is full, or after a failover to a replica: retry those too.
        broker_channel_error_retry=True,
        # The default gives up after about an hour, and ends the worker.
        broker_connection_max_retries=None,
        # No message of zik's is worth waiting for: the next ring replaces it.
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "socket_keepalive": True},
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_queues=[Queue(name, _EXCHANGE, routing_key=name) for name in _QUEUES],
        task_default_queue=MAINTENANCE_QUEUE,
        task_default_exchange=_EXCHANGE.name,
        task_default_routing_key=MAINTENANCE_QUEUE,
        task_routes={
            RECORD_EVENTS: {"queue": RECORD_QUEUE},
            AGGREGATE_LISTENING: {"queue": STATISTICS_QUEUE},
            REFRESH_CHARTS: {"queue": STATISTICS_QUEUE},
        },
        task_create_missing_queues=False,
        task_soft_time_limit=40,
        task_time_limit=50,
        worker_prefetch_multiplier=1,
        worker_autoscaler="worker.celery.autoscaler:BacklogAutoscaler",
        worker_enable_remote_control=settings.remote_control,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_consumer="worker.celery.consumer:PatientConsumer",
        # It would only log, at each reconnection, that it reduces nothing.
        worker_enable_prefetch_count_reduction=False,
        timezone="UTC",
        beat_schedule=_SCHEDULE,
        # Beat writes its schedule after each task, so the file's age shows whether it still runs.
        beat_sync_every=1,
    )
    app.steps["worker"].update({Bell, Relief})
    return app


def _settings() -> Settings:
    try:
        settings = load_settings()
        _check_transport(settings.broker_url)
    except SettingsError as error:
        # Celery would wrap any other exception in a page of its own text.
        raise SystemExit(f"zik: {error}") from None
    return settings


def _check_transport(broker_url: str) -> None:
    try:
        resolve_transport(broker_url.partition("://")[0].partition("+")[0])
    except (KeyError, ImportError) as error:
        raise SettingsError(
            f"CELERY_BROKER_URL: Celery cannot use it ({error.args[0]})", way_out="name a Redis, or leave it out"
        ) from None


app = make_app(_settings())


@after_setup_logger.connect
@after_setup_task_logger.connect
def _write_lines(logger: logging.Logger, **_: Any) -> None:
    for each in filter(None, (logger, get_multiprocessing_logger())):
        write_lines(each)
    hide_noise()


@worker_ready.connect
def _request_schema(**_: Any) -> None:
    try:
        app.send_task(BOOTSTRAP_SCHEMA, retry=False)
    except OperationalError as error:
        logger.warning("could not request the schema: %s. `zik init` brings it up", refusal_of(error) or error)
