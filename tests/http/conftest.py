from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.http_server import HttpServer, serving, url_of_its_role
from tests.support.pages import NOW, history_for_pages, publish, sign_in
from tests.support.processes import url_of
from worker.settings import load_settings
from worker.statistics import ListenRule
from worker.statistics.rollups.sweep import refresh


@pytest.fixture
def server(redis_url: str, engine: Engine) -> Iterator[HttpServer]:
    """The HTTP server in this process, on a real Valkey and each of the databases, with a token of ada's."""
    settings = load_settings(redis_url=redis_url, database_url=url_of(engine))
    with serving(settings, engine, its_url=url_of_its_role(engine)) as server:
        yield server


@pytest.fixture
def server_at_now(redis_url: str, engine: Engine) -> Iterator[HttpServer]:
    """The same server, whose clock stands at `tests.support.pages.NOW`."""
    settings = load_settings(redis_url=redis_url, database_url=url_of(engine))
    with serving(settings, engine, its_url=url_of_its_role(engine), now=lambda: NOW) as server:
        yield server


@pytest.fixture
def listened(server_at_now: HttpServer) -> HttpServer:
    """A year and a half of ada's plays, half of them not swept yet; she is signed in."""
    events = history_for_pages()
    half = len(events) // 2
    publish(server_at_now, *events[:half])
    refresh(server_at_now.engine, ListenRule())
    publish(server_at_now, *events[half:])
    sign_in(server_at_now)
    return server_at_now
