"""Worker bootsteps: the bell requests drains, and the relief drains a full Redis before Celery can start."""

import logging
import os
import random
import subprocess
import sys
import threading
from typing import Any

from celery import bootsteps
from kombu.exceptions import ChannelError

from worker.celery.names import RECORD_EVENTS, RECORD_QUEUE
from worker.drain.relief import drain_while_full
from worker.errors import StreamUnavailableError
from worker.settings import Settings
from worker.stream.connection import refusal_of
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import slot_consumer

logger = logging.getLogger(__name__)

RING_S = 2.0


class Bell(bootsteps.StartStopStep):
    """Requests a drain every two seconds, unless a request already waits.

    In a backlog every ring adds a drain until the slots are full; when the stream is dry, the drains end. So the number
    of drains follows the backlog, and a lost request costs two seconds.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._reported = ""

    def start(self, worker: Any) -> None:
        if RECORD_QUEUE not in worker.app.amqp.queues.consume_from:
            return
        # A thread, because a broker that hangs must not hang the worker's event loop.
        self._thread = threading.Thread(target=self._ring_until_stopped, args=[worker.app], name="bell", daemon=True)
        self._thread.start()

    def stop(self, worker: Any) -> None:
        del worker
        self._stopped.set()

    def terminate(self, worker: Any) -> None:
        self.stop(worker)

    def _ring_until_stopped(self, app: Any) -> None:
        # The jitter keeps workers from ringing in step.
        while not self._stopped.wait(RING_S * random.uniform(0.8, 1.0)):  # noqa: S311 -- no secret
            try:
                ring(app)
                self._reported = ""
            except Exception as error:  # noqa: BLE001 -- without the bell the worker does nothing
                self._report(error)
                drain_if_full(app.settings)

    def _report(self, error: Exception) -> None:
        """Log what Redis refuses the bell, once. Celery's consumer logs that the broker is away."""
        refusal = str(refusal_of(error) or "")
        if refusal and refusal != self._reported:
            logger.error("cannot request a drain: %s. Trying again every two seconds", refusal)
            self._reported = refusal
        logger.debug("the bell did not ring: %s", error)


class Relief(bootsteps.StartStopStep):
    """Drains directly while Redis is full, before the consumer starts.

    A Celery worker must write to its broker before it can work, and a full Redis refuses writes. The drain only
    acknowledges and deletes, which a full Redis allows and which frees memory.
    """

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        drain_while_full(worker.app.settings, consumer=slot_consumer(worker.hostname, "relief"))


def drain_if_full(settings: Settings) -> None:
    """Drain in a process of its own if Redis is full, so that the bell can ring again.

    A connection made here, in the pool's parent, would be inherited by its next child.
    """
    try:
        with EventStream.opened(settings.redis_url) as stream:
            full = stream.refuses_writes()
    except StreamUnavailableError:
        logger.debug("Redis is away, not full")
        return
    if full:
        environment = {**os.environ, **settings.as_environment()}
        subprocess.run([sys.executable, "-m", "worker.drain.relief"], env=environment, check=False, capture_output=True)


def ring(app: Any) -> bool:
    """Request a drain if no request waits. Returns whether it did."""
    with app.pool.acquire(block=True, timeout=RING_S) as connection:
        if _length(connection, RECORD_QUEUE):
            return False
        app.send_task(RECORD_EVENTS, queue=RECORD_QUEUE, connection=connection, retry=False)
        return True


def waiting(app: Any, queue: str) -> int:
    """How many messages wait in this queue of the broker."""
    with app.pool.acquire(block=True, timeout=RING_S) as connection:
        return _length(connection, queue)


def _length(connection: Any, queue: str) -> int:
    try:
        return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:
        return 0  # Redis forgets an empty queue.
