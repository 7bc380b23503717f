"""Refuse Celery messages that make no sense, where Celery's own strategy would end the worker over them."""

from collections.abc import Callable
from typing import Any

from celery import Task
from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default


class ZikTask(Task):  # type: ignore[type-arg]  # Generic only to the type checker.
    """A task whose messages are checked before the worker believes them."""

    Strategy = "worker.celery.task_class:refuse_nonsense"


def refuse_nonsense(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., None]:
    """Celery's strategy for a task, wrapped: what it cannot read is logged and dropped.

    Without it such a message ends the worker, goes back to the queue as it does, and ends the next one.
    """
    start = default(task, app, consumer, **options)

    def start_or_refuse(message: Any, *rest: Any, **more: Any) -> None:
        try:
            _check_time_limits(message.headers)
            start(message, *rest, **more)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidTaskError(f"the message makes no sense ({type(error).__name__})") from error

    return start_or_refuse


def _check_time_limits(headers: dict[str, Any]) -> None:
    # Celery looks at them only after it has taken a slot of the pool, which would then never be given back.
    soft, hard = headers.get("timelimit") or (None, None)
    for limit in (soft, hard):
        if not isinstance(limit, int | float | None):
            raise TypeError("timelimit")
