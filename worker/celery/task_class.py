"""Refuse malformed task messages, which would end the worker in Celery's own strategy."""

from collections.abc import Callable
from typing import Any

from celery import Task
from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default


class ZikTask(Task):  # type: ignore[type-arg]  # Generic only to the type checker.
    """A task whose messages are checked before the worker trusts them."""

    Strategy = "worker.celery.task_class:refuse_malformed"


def refuse_malformed(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., None]:
    """Celery's strategy for a task, except that Celery logs and drops a malformed message.

    Without it such a message ends the worker, returns to the queue, and ends the next worker.
    """
    start = default(task, app, consumer, **options)

    def start_or_refuse(message: Any, *rest: Any, **more: Any) -> None:
        try:
            _check_time_limits(message.headers)
            start(message, *rest, **more)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidTaskError(f"malformed task message ({type(error).__name__})") from error

    return start_or_refuse


def _check_time_limits(headers: dict[str, Any]) -> None:
    # Celery reads them only after it has taken a slot of the pool, which it would then never return.
    soft, hard = headers.get("timelimit") or (None, None)
    for limit in (soft, hard):
        if not isinstance(limit, int | float | None):
            raise TypeError("timelimit")
