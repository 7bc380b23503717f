from typing import Any

from worker.celery import app
from worker.keys import RECORD_EVENTS
from worker.tasks.process import drain_of

BUDGET_S = 10.0
# A little longer than the pause between two rings, so that an event always finds somebody listening.
DRY_S = 1.2


@app.task(name=RECORD_EVENTS, bind=True)
def record_events(self: Any) -> dict[str, int]:
    """Drain the stream until it is dry or the time is up. Takes no arguments, so no forged message can stretch it."""
    drain, patience = drain_of(self.request.hostname)
    tally = patience.attempt(lambda: drain.run(budget_s=BUDGET_S, dry_s=DRY_S), within_s=BUDGET_S)
    return {outcome.value: count for outcome, count in tally.outcomes.items()} if tally else {}
