from functools import partial

from worker.celery.application import app
from worker.celery.bootsteps import waiting
from worker.celery.names import AGGREGATE_LISTENING, STATISTICS_QUEUE
from worker.celery.task_metrics import report
from worker.database.engine import opened_engine
from worker.errors import ZikError
from worker.outage import OutageRetry
from worker.statistics.listen_rule import ListenRule
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream
from worker.stream.measurements import of_aggregation

# Half the time between two calls, so that a worker with one slot still drains during a long history.
BUDGET_S = 5.0
# While more than a batch waits, recording comes first: answers about a user do not wait for these days.
BUDGET_IN_A_BACKLOG_S = 0.2
DAYS_AT_ONCE_IN_A_BACKLOG = 250
_outage = OutageRetry()


@app.task(name=AGGREGATE_LISTENING)
def aggregate_listening() -> str | None:
    """Compute the stale days. Of calls that piled up while no worker ran, only the last one does the work."""
    if waiting(app, STATISTICS_QUEUE):
        return "another call waits"
    sweep = partial(refresh, rule=ListenRule.configured(app.settings), budget_s=BUDGET_S)
    if _in_a_backlog():
        sweep = partial(sweep, budget_s=BUDGET_IN_A_BACKLOG_S, days_at_once=DAYS_AT_ONCE_IN_A_BACKLOG)
    with opened_engine(app.settings.database_url) as engine:
        done = _outage.attempt(lambda: sweep(engine), within_s=0)
    if done and done.finished:
        report(of_aggregation())
    return str(done) if done else None


def _in_a_backlog() -> bool:
    try:
        with EventStream.opened(app.settings.redis_url) as stream:
            return stream.books().waiting > app.settings.batch_size
    except ZikError:
        return False
