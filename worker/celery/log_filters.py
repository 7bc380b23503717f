"""Limit the worker's log to what an operator needs."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from celery.beat import SchedulingError

from worker.celery.names import RECORD_EVENTS
from worker.stream.connection import refusal_of

_TASK_LOGGERS: Final = ("celery.worker.strategy", "celery.app.trace")
_BEAT_LOGGER: Final = "celery.beat"
_SAME_FAILURE_S: Final = 60.0


class _DropDrainNotices(logging.Filter):
    """Drops Celery's lines about drains that were received or succeeded: one a second from every idle worker.

    Each batch logs what a drain did, and Celery's lines about failed drains pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not (_task_of(record) == RECORD_EVENTS and record.levelno <= logging.INFO)


class _LimitSameFailure(logging.Filter):
    """Logs the same failure of the same task once a minute, with the number of lines that were kept back.

    A drain is requested every two seconds, so a lasting fault would fill the log with its traceback.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._logged: dict[tuple[str | None, Any], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or not record.exc_info:
            return True
        key, now = (_task_of(record), record.exc_info[0]), self._monotonic()
        reported_at, kept_back = self._logged.get(key, (float("-inf"), 0))
        if now - reported_at < _SAME_FAILURE_S:
            self._logged[key] = (reported_at, kept_back + 1)
            return False
        self._logged[key] = (now, 0)
        record.kept_back = kept_back
        return True


class _ShortenBeatFailure(logging.Filter):
    """Makes one line of a task that beat could not send. Celery adds its own stack and a traceback, each time."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, SchedulingError):
            cause = refusal_of(error) or error.__context__ or error
            record.msg, record.args = "beat cannot send a task: %s. Trying again", (cause,)
            record.exc_info = None
        return True


def _task_of(record: logging.LogRecord) -> str | None:
    task = getattr(record, "data", None)
    return task.get("name") if isinstance(task, dict) else None


def hide_noise() -> None:
    """Install the filters. Call it after Celery has set up its logging."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in _TASK_LOGGERS:
        _install(name, _DropDrainNotices(), _LimitSameFailure())
    # In this order: the limit knows a failure by its traceback.
    _install(_BEAT_LOGGER, _LimitSameFailure(), _ShortenBeatFailure())


def _install(name: str, *filters: logging.Filter) -> None:
    logger = logging.getLogger(name)
    if not any(isinstance(each, _LimitSameFailure) for each in logger.filters):
        for each in filters:
            logger.addFilter(each)
