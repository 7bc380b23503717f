"""The OpenAPI document is valid, and a running server does what it says, whatever a client sends by it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate

from tests.support.http_server import HttpServer
from tests.support.processes import eventually, running
from worker.database.engine import opened_engine
from worker.http.openapi import document
from worker.local.http_server import answers
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.tokens import Scope


def test_the_document_is_openapi() -> None:
    validate(dict(document()))


def test_the_document_is_served(server: HttpServer) -> None:
    assert server.client.get("/v1/openapi.json").json() == document()


@pytest.fixture(scope="module")
def token_and_url(
    valkey_server: str, _sqlite_with_schema: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("openapi")
    shutil.copyfile(_sqlite_with_schema, folder / "zik.db")
    database_url = f"sqlite:///{folder / 'zik.db'}"
    with opened_engine(database_url) as engine:
        token = tokens.create(engine, "ada", name="x", scopes=[Scope.SUBMIT])
    url, port = "http://127.0.0.1", free_port()
    environment = {"REDIS_URL": valkey_server, "DATABASE_URL": database_url, "ZIK_HTTP_RATE": "0"}
    with running(["worker", "serve", "--port", str(port)], folder=folder, **environment) as process:
        eventually(lambda: answers(f"{url}:{port}"), within_s=30, told=lambda: process.log)
        yield token, f"{url}:{port}"
        assert "a request met a bug" not in process.log


@pytest.mark.parametrize("path", ["/v1/events", "/v1/health", "/v1/openapi.json"])
def test_the_server_does_what_its_document_says(path: str, token_and_url: tuple[str, str]) -> None:
    token, url = token_and_url
    described = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")

    @given(case=described[path].as_strategy())
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def does_what_it_says(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Token {token}"})

    does_what_it_says()
