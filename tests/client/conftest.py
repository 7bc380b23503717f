"""Fixtures for tests of clients."""

from pathlib import Path

import pytest

from tests.support.clients import ErrorRecorder


@pytest.fixture
def recorder() -> ErrorRecorder:
    return ErrorRecorder()


@pytest.fixture(params=["in memory", "outbox"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "plays.outbox" if request.param == "outbox" else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plays.outbox"
