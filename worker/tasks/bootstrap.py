from worker.celery.application import app
from worker.celery.names import BOOTSTRAP_SCHEMA
from worker.database.engine import opened_engine
from worker.database.schema import bring_up_schema
from worker.errors import DatabaseUnavailableError


# A worker requests it once, as it starts, so it is retried until the database is up.
@app.task(
    name=BOOTSTRAP_SCHEMA,
    soft_time_limit=600,
    time_limit=660,
    autoretry_for=(DatabaseUnavailableError,),
    max_retries=None,
    retry_backoff=1,
    retry_backoff_max=30,
)
def bootstrap_schema() -> str:
    """Bring the schema up. Returns what it did."""
    with opened_engine(app.settings.database_url) as engine:
        return str(bring_up_schema(engine))
