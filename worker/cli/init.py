from worker.cli.terminal import AsJson, print_json, say
from worker.database.engine import opened_engine
from worker.database.schema import bring_up_schema
from worker.settings import load_settings, without_password


def init(*, as_json: AsJson = False) -> None:
    """Bring the database schema up. Safe to run at any time, from any number of machines."""
    url = load_settings().database_url
    with opened_engine(url) as engine:
        done = bring_up_schema(engine)
    if as_json:
        print_json({"outcome": done.outcome, "schema": done.revision, "was": done.was, "tables": done.tables})
    else:
        say(f"{done} ({without_password(url)})")
