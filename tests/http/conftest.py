from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from tests.support.http_server import HttpServer, serving
from tests.support.processes import url_of
from worker.database.engine import transaction
from worker.database.grants import HTTP_ROLE, grant_to_http_role
from worker.settings import load_settings


@pytest.fixture
def server(redis_url: str, engine: Engine) -> Iterator[HttpServer]:
    """The HTTP server in this process, on a real Valkey and each of the databases, with a token of ada's.

    To PostgreSQL it logs in as the role that has only the rights it needs.
    """
    settings = load_settings(redis_url=redis_url, database_url=url_of(engine))
    if engine.dialect.name == "postgresql":
        with_rights_by_table(engine)
        its_url = engine.url.set(username=HTTP_ROLE).render_as_string(hide_password=False)
    else:
        its_url = settings.database_url
    with serving(settings, engine, its_url=its_url) as server:
        yield server


def with_rights_by_table(engine: Engine) -> None:
    """Make the role as docs/postgresql-roles.sql does, and grant as `zik init` does."""
    with transaction(engine) as session:
        if not session.scalar(text(f"SELECT count(*) FROM pg_roles WHERE rolname = '{HTTP_ROLE}'")):
            session.execute(text(f"CREATE ROLE {HTTP_ROLE} LOGIN"))
        session.execute(text(f"GRANT USAGE ON SCHEMA public TO {HTTP_ROLE}"))
        grant_to_http_role(session.connection())
