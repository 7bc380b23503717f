"""Add up every task's runtime and failures in Redis."""

import logging
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from celery.signals import task_postrun, task_prerun
from celery.states import FAILURE

from worker.celery.application import app
from worker.errors import ZikError
from worker.stream.consumer import EventStream
from worker.stream.measurements import of_task

logger = logging.getLogger(__name__)

_began: dict[str, float] = {}


@task_prerun.connect
def _begin(task_id: str, **_: Any) -> None:
    _began[task_id] = time.monotonic()


@task_postrun.connect
def _end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
    seconds = time.monotonic() - _began.pop(task_id, time.monotonic())
    report(of_task(task.name, seconds, failed=state == FAILURE))


def report(measured: Mapping[str, int]) -> None:
    """Add the measurements up in Redis. A failure is only logged: no task fails over its metrics."""
    try:
        _stream(os.getpid()).report("", measured)
    except ZikError as error:
        logger.debug("could not report metrics: %s", error)


@cache
def _stream(pid: int) -> EventStream:
    del pid  # A part of the key: a forked process must not use its parent's connections.
    return EventStream.at(app.settings.redis_url)
