import logging
from datetime import timedelta

from worker.celery.application import app
from worker.celery.names import MAINTENANCE
from worker.database.engine import opened_engine
from worker.operations import dead_letters
from worker.stream.consumer import EventStream

logger = logging.getLogger(__name__)

IDLE_S = 3600.0
MAX_ORPHANS = 10_000


@app.task(name=MAINTENANCE)
def maintenance() -> dict[str, int]:
    """Retire idle consumers, return lost entries to the group, delete old dead letters. Returns how many of each."""
    with EventStream.opened(app.settings.redis_url) as stream:
        done = {
            "given back": stream.give_back(limit=MAX_ORPHANS),
            "retired": sum(stream.retire(name) for name in _idle(stream)),
            "discarded": _discard_old(stream),
        }
    if any(done.values()):
        logger.info("maintenance: %s", ", ".join(f"{count} {name}" for name, count in done.items()))
    return done


def _idle(stream: EventStream) -> set[str]:
    """Consumers that did nothing for an hour, and what is left of those that someone has deleted with their group."""
    silent = {name for name, age_s in stream.last_progress_s().items() if age_s > IDLE_S}
    return silent | {each.name for each in stream.consumers() if each.idle_s > IDLE_S}


def _discard_old(stream: EventStream) -> int:
    days = app.settings.keep_dead_letters_days
    if days is None:
        return 0
    with opened_engine(app.settings.database_url) as engine:
        return dead_letters.discard_older(engine, stream.now() - timedelta(days=days))
