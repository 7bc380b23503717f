"""The README and docs/ name every command, setting, metric, reason and event type, and no name that the code lacks."""

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pydantic_core import PydanticUndefined

from tests.support.processes import ROOT
from worker.cli.commands import ENTRIES, load
from worker.contract.events import EVENT_TYPES
from worker.errors import Reason
from worker.failpoints import Point
from worker.operations.metrics import Name
from worker.settings import Settings, variable_of

PAGES: Final = [ROOT / "README.md", ROOT / "MIGRATIONS.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCS: Final = "\n".join(page.read_text() for page in PAGES)
# What maintainers read; here, too, a name must be one of the code.
ALL_PAGES: Final = [
    *PAGES,
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
    *sorted((ROOT / "tests").rglob("README.md")),
]


def commands() -> Iterator[str]:
    for name, entry in ENTRIES.items():
        grouped = getattr(load(entry), "commands", None)
        yield from [f"zik {name} {each}" for each in grouped] if grouped else [f"zik {name}"]


@pytest.mark.parametrize("command", list(commands()))
def test_each_command_is_in_the_docs(command: str) -> None:
    *group, last = command.split()
    named = re.search(rf"`?{' '.join(group)}[^\n|]*\b{last}\b", DOCS)
    assert named, f"`{command}` is on no page"


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_each_setting_has_its_row_in_the_readme_with_its_default(setting: str) -> None:
    rows = re.findall(rf"^\| [^|]*`{variable_of(setting)}`[^|]* \|.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 1, setting
    default = Settings.model_fields[setting].default
    if default not in {None, PydanticUndefined}:
        assert str(default).lower() in rows[0].lower()


def test_every_variable_that_the_code_reads_is_in_the_readme() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "worker").rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(ZIK_\w+)\"", code))
    assert read
    assert [variable for variable in read if f"`{variable}`" not in (ROOT / "README.md").read_text()] == []


WHERE: Final = {
    "metrics.md": list(Name),
    "events.md": [*Reason, *sorted(EVENT_TYPES)],
    "reliability.md": list(Point),
}


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in WHERE.items() for name in names])
def test_each_metric_reason_event_and_failpoint_is_on_its_page(page: str, name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / page).read_text()


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_have_targets(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_no_command_in_the_docs_is_unknown() -> None:
    known = {command.split()[1] for command in commands()}
    named = re.findall(r"(?:`(?:uv run )?|^uv run )zik ([a-z]+)", DOCS, re.MULTILINE)
    assert named
    assert set(named) <= known


# --- names of the code ---------------------------------------------------------------------------


def is_in_the_code(dotted: str) -> bool:
    """Whether a dotted name such as `worker.errors.Reason` is a module, or an attribute of one."""
    module, _, attribute = dotted.rpartition(".")
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_and_module_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    files = re.findall(r"`((?:worker|tests|ops|docs|benchmarks)/[\w./-]*)`", text)
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert [name for name in re.findall(r"`(worker(?:\.\w+)+)`", text) if not is_in_the_code(name)] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_test_that_a_page_names_exists(page: Path) -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    code = "\n".join(file.read_text() for file in files)
    known = {file.name for file in files} | set(re.findall(r"def (test_\w+)\(", code))
    named = re.findall(r"`(?:[\w/]+/)?(test_\w+(?:\.py)?)`", page.read_text())
    assert [name for name in named if name not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_of_a_page_compiles_and_imports_what_zik_has(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        tree = ast.parse(block)
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
            if node.module and node.module.partition(".")[0] == "worker":
                module = importlib.import_module(node.module)
                assert [each.name for each in node.names if not hasattr(module, each.name)] == []


def test_the_map_has_each_package_and_each_module_beside_them() -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text()
    drawn = re.search(r"^worker/\n((?:  .+\n)+)", page, re.MULTILINE)
    assert drawn
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "worker").iterdir()
        if (path / "__init__.py").exists() or (path.suffix == ".py" and path.name != "__init__.py")
    }
    assert sorted(re.findall(r"^  (\S+)", drawn[1], re.MULTILINE)) == sorted(there)
