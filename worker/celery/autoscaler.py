"""Let `--autoscale` shrink a pool that has nothing to do, although drains are requested every two seconds."""

from typing import Any

from celery.worker.autoscale import Autoscaler


class BacklogAutoscaler(Autoscaler):
    """Celery's autoscaler shrinks a pool that has received no task for 30 s, and the bell sends one every two seconds.

    So a task counts only where every process of the pool has one.
    """

    def on_task_received(self, req: Any) -> None:
        if self.qty >= self.processes:
            super().on_task_received(req)  # type: ignore[misc]  # celery-types lacks it.
