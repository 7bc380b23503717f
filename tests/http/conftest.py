from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.http_server import HttpServer, serving
from worker.settings import load_settings


@pytest.fixture
def server(redis_url: str, engine: Engine) -> Iterator[HttpServer]:
    """The HTTP server in this process, on a real Valkey and each of the databases, with a token of ada's."""
    url = engine.url.render_as_string(hide_password=False)
    with serving(load_settings(redis_url=redis_url, database_url=url), engine) as server:
        yield server
