"""Fixtures for tests of clients."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.clients import ErrorRecorder
from tests.support.native_api import TOKEN, NativeApi, native_api
from worker.client.http_transport import HttpTransport


@pytest.fixture
def recorder() -> ErrorRecorder:
    return ErrorRecorder()


@pytest.fixture(params=["in memory", "outbox"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "plays.outbox" if request.param == "outbox" else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plays.outbox"


@pytest.fixture
def api() -> Iterator[NativeApi]:
    with native_api() as serving:
        yield serving


@pytest.fixture
def transport(api: NativeApi) -> Iterator[HttpTransport]:
    with closing(HttpTransport(api.url, TOKEN)) as connected:
        yield connected
