"""What both ways by Celery share: an application that says when its worker is ready, as zik's would."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from kombu import Queue


def make_app(name: str, *, queue: str, prefetch: int) -> Celery:
    """An application with one queue, whose tasks are acknowledged when they are done. `prefetch` is by process."""
    app = Celery(name, broker=os.environ.get("REDIS_URL"))
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=prefetch,
        worker_enable_remote_control=False,
        task_queues=[Queue(queue)],
        task_default_queue=queue,
    )
    worker_ready.connect(_say_so)
    return app


def _say_so(**_: Any) -> None:
    print(" ready.", flush=True)  # noqa: T201 -- the benchmark waits for it; Celery's own line is INFO, as one a task is
