"""Run beat within the worker, for `--beat`: both end together, so that one process is watched and not two."""

import logging
import threading
from typing import Any, Final

from celery import bootsteps
from celery.beat import Service
from celery.worker import state

logger = logging.getLogger(__name__)

# Beat looks at its schedule so often, and can be stopped as quickly.
_TICK_S: Final = 1
_STOP_WITHIN_S: Final = 5.0
_FAILED: Final = 1


class BeatThread(threading.Thread):
    """Celery's own beat of `--beat` is a process, which takes the memory of one, and whose end nobody notices."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(name="beat", daemon=True)
        self._app = app
        self._service = Service(app, max_interval=_TICK_S, **options)

    def run(self) -> None:
        self._app.set_current()
        try:
            self._service.start()
        except Exception:  # Whatever it is, nothing would be scheduled any more.
            logger.exception("beat has ended, and the worker ends with it")
            state.should_stop = _FAILED  # type: ignore[assignment]  # celery-types knows it as None alone.

    def stop(self) -> None:
        """Write the schedule, and end."""
        self._service.stop()
        self.join(_STOP_WITHIN_S)


class Beat(bootsteps.StartStopStep):
    """Replaces Celery's step of this name."""

    name = "Beat"
    label = "Beat"
    conditional = True

    def __init__(self, worker: Any, *, beat: bool = False, **options: Any) -> None:
        self.enabled = beat
        super().__init__(worker, beat=beat, **options)

    def create(self, worker: Any) -> BeatThread:  # type: ignore[override]  # Celery asks for the object.
        return BeatThread(worker.app, schedule_filename=worker.schedule_filename, scheduler_cls=worker.scheduler)
