"""What a player installs: a light wheel from the same tree, which needs no module `worker` and few packages."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import redis

import zik
import zik.errors
import zik.models
import zik.testing
from tests.support.clients import published_values
from tests.support.processes import ROOT
from worker.client import Client

LIGHT: Final = ROOT / "packages" / "zik-client"
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIGHT_PROJECT: Final[dict[str, Any]] = tomllib.loads((LIGHT / "pyproject.toml").read_text())["project"]
MOST_PACKAGES: Final = 14
MOST_BYTES: Final = 25 * 1024 * 1024

# In a folder with a `worker.py` of its own, as many programs have.
PLAYER: Final = """
import sys
import worker
from zik import AsyncClient, Client, Counters, __version__
from zik.errors import InvalidEventError
from zik.testing import MemoryClient

assert worker.OWN
url, outbox = sys.argv[1:]
with Client(url, source=f"my-player/{__version__}", outbox=outbox) as client:
    client.preference(user="ada", key="n", value="light")
    try:
        client.play(user="", artist="Tool", title="Parabola")
    except InvalidEventError as error:
        assert error.detail.startswith("user: "), error
    assert client.flush(30)
    assert client.counters == Counters(sent=1, refused=1)
imported = {name.partition(".")[0] for name in sys.modules}
assert not imported & {"sqlalchemy", "celery", "kombu", "typer", "rich", "structlog"}, imported
"""


def vendoring() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendoring", LIGHT / "vendoring.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def vendored(tmp_path: Path) -> Path:
    """A folder with the package `zik` of the light wheel."""
    vendoring().vendor(ROOT, tmp_path / "light")
    return tmp_path / "light"


def run_player(python: str | Path, folder: Path, redis_url: str, path: Path | None = None) -> None:
    folder.mkdir()
    (folder / "worker.py").write_text("OWN = True\n")
    (folder / "player.py").write_text(PLAYER)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [python, "player.py", redis_url, "plays.outbox"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


def test_the_light_package_publishes_beside_a_worker_of_the_players_own(
    vendored: Path, tmp_path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    run_player(sys.executable, tmp_path / "player", redis_url, vendored)
    assert published_values(valkey) == ["light"]


def test_nothing_in_the_light_package_imports_worker(vendored: Path) -> None:
    files = list(vendored.rglob("*.py"))
    assert len(files) > 40
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert [name for name in names if name.partition(".")[0] == "worker"] == [], file
        assert re.findall(r"(?:files|import_module)\(\"worker", file.read_text()) == [], file


def test_the_light_package_depends_on_what_it_imports(vendored: Path) -> None:
    imported = {
        name.partition(".")[0]
        for file in vendored.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    wanted = imported - set(sys.stdlib_module_names) - {"zik"}
    extra = LIGHT_PROJECT["optional-dependencies"]["models"]
    named = [re.split(r"[<>=]", each)[0].replace("-", "_") for each in [*LIGHT_PROJECT["dependencies"], *extra]]
    # pydantic brings its core, and only pytest loads its plugin.
    assert sorted(named) == sorted(wanted - {"pydantic_core", "pytest"})


def test_a_light_dependency_has_no_upper_bound() -> None:
    assert [each for each in LIGHT_PROJECT["dependencies"] if "<" in each or "~" in each or "==" in each] == []


def test_every_place_has_the_same_version() -> None:
    assert {PROJECT["version"], LIGHT_PROJECT["version"]} == {zik.__version__}
    assert PROJECT["requires-python"] == LIGHT_PROJECT["requires-python"]


def test_zik_is_worker_under_the_players_name() -> None:
    assert zik.Client is Client
    assert issubclass(zik.testing.MemoryClient, Client)
    assert issubclass(zik.errors.OutboxError, zik.errors.ZikError)
    assert "PlayHistory" in zik.models.__all__


def test_the_command_shows_its_version() -> None:
    run = subprocess.run([Path(sys.executable).parent / "zik", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"zik {zik.__version__}\n"


# --- with an index --------------------------------------------------------------------------------


def uv(*arguments: str | Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    run = subprocess.run(["uv", "--quiet", *arguments], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", LIGHT, "--out-dir", folder)
    (built,) = folder.glob("zik_client-*.whl")
    return built


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_light_wheel_alone_is_small_and_publishes(
    wheel: Path, tmp_path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    uv("venv", tmp_path / "venv", "--python", sys.executable)
    python = tmp_path / "venv" / "bin" / "python"
    uv("pip", "install", "--python", python, wheel)
    (packages,) = (tmp_path / "venv" / "lib").glob("python3.*/site-packages")
    installed = [path.name for path in packages.glob("*.dist-info")]
    assert len(installed) <= MOST_PACKAGES, installed
    assert sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) <= MOST_BYTES
    run_player(python, tmp_path / "player", redis_url)
    assert published_values(valkey) == ["light"]


# The tests of what players and sharers of the models import, and what these tests import themselves.
TESTED: Final = ("tests/client", "tests/testing", "tests/contract", "tests/models")


@pytest.mark.full
@pytest.mark.timeout(1_800)
def test_client_and_models_work_with_their_lowest_versions(tmp_path: Path) -> None:
    """The rest of zik has its own versions, as far as they fit: here it is only what the tests compare with."""
    uv("venv", tmp_path / "venv", "--python", sys.executable)
    python = str(tmp_path / "venv" / "bin" / "python")
    lowest = [*LIGHT_PROJECT["dependencies"], *LIGHT_PROJECT["optional-dependencies"]["models"]]
    uv("pip", "install", "--python", python, "--resolution", "lowest-direct", *lowest)
    command = ["uv", "--quiet", "pip", "freeze", "--python", python]
    pinned = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"redis==6.4.0", "pydantic==2.11.0", "urllib3==2.0.2"} <= set(pinned)
    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    taken = {re.split(r"[<>=]", each)[0] for each in [*lowest, "zik", "pydantic-core"]}
    rest = [*group, *PROJECT["dependencies"], *PROJECT["optional-dependencies"]["embedded"]]
    uv(
        "pip",
        "install",
        "--python",
        python,
        *pinned,
        *[each for each in rest if re.split(r"[\[<>=]", each)[0] not in taken],
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [python, "-m", "pytest", "-n", "0", "-q", *TESTED]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-30_000:]
