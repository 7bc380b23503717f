from worker.celery import app
from worker.database import open_engine
from worker.db_init import bring_up_schema
from worker.keys import BOOTSTRAP_SCHEMA


@app.task(name=BOOTSTRAP_SCHEMA, soft_time_limit=600, time_limit=660)
def bootstrap_schema() -> str:
    """Bring the schema up; every worker asks for it as it starts. Says what it did."""
    engine = open_engine(app.settings.database_url)
    try:
        return str(bring_up_schema(engine))
    finally:
        engine.dispose()
