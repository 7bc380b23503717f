"""The steps of `zik up` that need the database; it calls them in a process of their own."""

from pathlib import Path

from worker.cli.local_token import local_token
from worker.database.engine import opened_engine
from worker.database.schema import bring_up_schema
from worker.pages.links import home


def bring_up(database_url: str) -> str:
    """Bring the schema up. Returns what was done, in words."""
    with opened_engine(database_url) as engine:
        return str(bring_up_schema(engine))


def sign_in(database_url: str, folder: Path) -> tuple[str, str, str]:
    """The token of the person at this machine, their name, and the path of their page."""
    with opened_engine(database_url) as engine:
        token = local_token(engine, folder)
    return token.text, token.username, home(token.username)
