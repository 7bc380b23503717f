"""Fixtures for tests of clients."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import Heard
from tests.reliability.proxy import Proxy, proxied


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with proxied(("127.0.0.1", int(redis_url.split(":")[2].removesuffix("/0")))) as it:
        yield it


@pytest.fixture(params=["in memory", "outbox"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "plays.outbox" if request.param == "outbox" else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plays.outbox"
