"""The fixture `zik_client`: in conftest.py say `pytest_plugins = ["worker.testing.plugin"]`."""

from collections.abc import Iterator

import pytest

from worker.testing import MemoryClient


@pytest.fixture
def zik_client() -> Iterator[MemoryClient]:
    """A client that keeps what it is given; look at `zik_client.events`."""
    with MemoryClient() as client:
        yield client
