from datetime import UTC, datetime

from worker.celery.application import app
from worker.celery.names import REFRESH_CHARTS
from worker.database.engine import opened_engine
from worker.outage import OutageRetry
from worker.statistics import charts

_outage = OutageRetry()


# Charts of all time read every day of every user.
@app.task(name=REFRESH_CHARTS, soft_time_limit=3_000, time_limit=3_060)
def refresh_charts(*, closed: bool = False) -> int | None:
    """Draw the stale charts of running periods, and if `closed`, of past ones. Returns how many."""
    today = datetime.now(UTC).date()
    with opened_engine(app.settings.database_url) as engine:
        return _outage.attempt(lambda: charts.refresh_read_charts(engine, today=today, closed=bool(closed)), within_s=0)
