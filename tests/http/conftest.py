from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.http_server import HttpServer, serving, url_of_its_role
from tests.support.processes import url_of
from worker.settings import load_settings


@pytest.fixture
def server(redis_url: str, engine: Engine) -> Iterator[HttpServer]:
    """The HTTP server in this process, on a real Valkey and each of the databases, with a token of ada's."""
    settings = load_settings(redis_url=redis_url, database_url=url_of(engine))
    with serving(settings, engine, its_url=url_of_its_role(engine)) as server:
        yield server
