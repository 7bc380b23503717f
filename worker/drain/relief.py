"""Drain without Celery while Redis is full. `python -m worker.drain.relief` does it in a process of its own."""

import logging
from typing import Final

from worker.database.schema import bring_up_schema
from worker.drain.opening import opened_drain
from worker.errors import ZikError
from worker.settings import Settings, load_settings
from worker.stream.consumer_names import process_consumer

logger = logging.getLogger(__name__)

# After that, check whether there is room again, and leave the rest to the workers.
_AT_ONCE_S: Final = 10.0


def drain_while_full(settings: Settings, *, consumer: str) -> int:
    """Drain until Redis takes writes again. Return the number of drained events.

    Its connections are opened and closed here, because the pool's processes must not inherit them.
    """
    drained = 0
    with opened_drain(settings, consumer=consumer) as drain:
        try:
            while drain.stream.refuses_writes():
                logger.warning("Redis is full: draining without Celery until it has room")
                # No worker can receive the task that usually does it.
                bring_up_schema(drain.engine)
                tally = drain.run(budget_s=_AT_ONCE_S)
                drained += tally.events
                if not tally.events:
                    break
        except ZikError as error:
            # Celery reconnects by itself, and the next start of this worker drains again.
            logger.warning("could not drain the full Redis: %s", error)
    return drained


if __name__ == "__main__":
    drain_while_full(load_settings(), consumer=process_consumer("relief"))
