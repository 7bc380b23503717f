"""The rig that all tests of this folder share: servers of their own and a worker, started once."""

from collections.abc import Iterator

import pytest

from tests.support.rig import Rig, open_rig


@pytest.fixture(scope="session")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with open_rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig
        rig.worker.stop()


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    """Servers and a worker that do well."""
    shared_rig.publish(50)
    shared_rig.settle()
    return shared_rig
