from worker.bootsteps import waiting
from worker.celery import app
from worker.database import opened_engine
from worker.errors import ZikError
from worker.keys import AGGREGATE_LISTENING, STATISTICS_QUEUE
from worker.measures import of_aggregation
from worker.patience import Patience
from worker.statistics.listen_rule import ListenRule
from worker.statistics.refresh import refresh
from worker.stream import EventStream
from worker.tasks.measured import report

# Half the time between two calls, so that a worker with one slot still drains while a long history is computed.
BUDGET_S = 5.0
# While more waits than a batch, recording comes first: the days can wait, since a user's answers do not wait for them.
BUDGET_IN_A_BACKLOG_S = 0.5
_patience = Patience()


@app.task(name=AGGREGATE_LISTENING)
def aggregate_listening() -> str | None:
    """Compute what is stale. Of calls that piled up while no worker was there, the last one does the work."""
    if waiting(app, STATISTICS_QUEUE):
        return "another call waits"
    rule, budget_s = ListenRule.configured(app.settings), _budget_s()
    with opened_engine(app.settings.database_url) as engine:
        done = _patience.attempt(lambda: refresh(engine, rule, budget_s=budget_s), within_s=0)
    if done and done.finished:
        report(of_aggregation())
    return str(done) if done else None


def _budget_s() -> float:
    try:
        with EventStream.opened(app.settings.redis_url) as stream:
            backlog = stream.books().waiting > app.settings.zik_batch_size
    except ZikError:
        return BUDGET_S
    return BUDGET_IN_A_BACKLOG_S if backlog else BUDGET_S
