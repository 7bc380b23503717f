"""The fixture `zik_client`. To load it, put `pytest_plugins = ["worker.testing.plugin"]` into conftest.py."""

from collections.abc import Iterator

import pytest

from worker.testing import MemoryClient


@pytest.fixture
def zik_client() -> Iterator[MemoryClient]:
    """A client that keeps in `zik_client.events` what a player publishes."""
    with MemoryClient() as client:
        yield client
