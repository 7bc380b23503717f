"""The previous release, unpacked from its wheel, and servers on which it may live beside this one."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet import Fleet, open_fleet
from tests.support.processes import ROOT

WHEEL = ROOT / "tests" / "releases" / "zik-0.2.0-py3-none-any.whl"


@pytest.fixture(scope="session")
def old_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that Python must look into first to be the previous release."""
    folder = tmp_path_factory.mktemp("zik-0.2.0")
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.fixture
def fleet(tmp_path: Path, old_release: Path) -> Iterator[Fleet]:
    """Servers with the schema of the previous release, which that release has made."""
    with open_fleet(tmp_path, old_release) as fleet:
        yield fleet
