import logging
import time
from typing import Any

from worker.celery.application import app
from worker.celery.bootsteps import ring
from worker.celery.names import RECORD_EVENTS
from worker.celery.pool_process import taken_drain

logger = logging.getLogger(__name__)

# In a backlog every slot drains, and other tasks wait for a slot: for two or three drains at most, because that many
# messages are prefetched.
BUDGET_S = 2.0
# A little longer than the pause between two rings, so that a drain is always reading when an event arrives.
DRY_S = 2.4


@app.task(name=RECORD_EVENTS, bind=True)
def record_events(self: Any) -> dict[str, int]:
    """Drain the stream until it is dry or the time is up. Takes no arguments, so no forged message can extend it."""
    began = time.monotonic()
    with taken_drain(self.request.hostname) as (drain, outage):
        tally = outage.attempt(lambda: drain.run(budget_s=BUDGET_S, dry_s=DRY_S), within_s=BUDGET_S)
    if tally and tally.batches and time.monotonic() - began >= BUDGET_S:
        _request_another()
    return {outcome.value: count for outcome, count in tally.outcomes.items()} if tally else {}


def _request_another() -> None:
    """The bell alone keeps only as many slots busy as it rings within one drain."""
    try:
        ring(app)
    except Exception as error:  # noqa: BLE001 -- the batch is recorded, and the bell rings within two seconds
        logger.debug("could not request another drain: %s", error)
