"""Log what a drain does: a line for each batch, and at DEBUG one for each event. Never what anyone listens to."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from worker.books import Outcome
from worker.contract.events import Accepted
from worker.recorders.dead_letters import Letter
from worker.stream.entries import Batch
from worker.stream.measurements import Phase

logger = logging.getLogger(__name__)


def log_batch(consumer: str, batch: Batch, outcomes: Mapping[str, Outcome], seconds: Mapping[Phase, float]) -> None:
    """Log one batch, with its first and last entry id: publishers know the ids from their XADD."""
    counts = Counter(outcomes.values())
    logger.info(
        "batch",
        extra={
            "consumer": consumer,
            "entries": len(batch.entries),
            **{outcome.value: counts[outcome] for outcome in Outcome},
            "vanished": len(batch.vanished),
            **{f"{phase.value}_ms": round(1000 * taken_s, 1) for phase, taken_s in seconds.items()},
            "first_entry": batch.entries[0].id if batch.entries else None,
            "last_entry": batch.entries[-1].id if batch.entries else None,
        },
    )


def log_events(accepted: Sequence[Accepted], letters: Sequence[Letter], outcomes: Mapping[str, Outcome]) -> None:
    """Log at DEBUG which entry became which row. `event_id` is the key of a play in `play_history`."""
    if not logger.isEnabledFor(logging.DEBUG):
        return
    for entry_id, _, event in accepted:
        ids = {"entry": entry_id, "event_id": str(event.id), "type": event.type, "outcome": outcomes[entry_id].value}
        logger.debug("event", extra=ids)
    for letter in letters:
        logger.debug("event", extra={"entry": letter.entry_id, "outcome": "dead", "reason": letter.error.reason.value})
