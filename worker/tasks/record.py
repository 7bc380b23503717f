import logging
import time
from typing import Any

from worker.celery.application import app
from worker.celery.bootsteps import ring
from worker.celery.names import RECORD_EVENTS
from worker.celery.pool_process import drain_of

logger = logging.getLogger(__name__)

# While there is a backlog every slot drains, and what else is asked for, such as statistics, waits for a slot; at most
# for two or three drains, because that many messages are fetched beforehand.
BUDGET_S = 2.0
# A little longer than the pause between two rings, so that an event always finds somebody listening.
DRY_S = 1.2


@app.task(name=RECORD_EVENTS, bind=True)
def record_events(self: Any) -> dict[str, int]:
    """Drain the stream until it is dry or the time is up. Takes no arguments, so no forged message can stretch it."""
    began = time.monotonic()
    drain, outage = drain_of(self.request.hostname)
    tally = outage.attempt(lambda: drain.run(budget_s=BUDGET_S, dry_s=DRY_S), within_s=BUDGET_S)
    if tally and time.monotonic() - began >= BUDGET_S:
        _ask_for_another()
    return {outcome.value: count for outcome, count in tally.outcomes.items()} if tally else {}


def _ask_for_another() -> None:
    """The bell alone would keep only as many slots busy as it rings within a drain."""
    try:
        ring(app)
    except Exception as error:  # noqa: BLE001 -- what has been recorded is recorded, and the bell rings within a second
        logger.debug("asked for another drain in vain: %s", error)
