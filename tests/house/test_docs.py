"""What a user may type, set, read or meet stands in README.md or docs/: a name that does not is found here."""

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


def test_every_other_variable_that_the_code_reads_is_in_the_readme() -> None:
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
def test_each_metric_reason_event_type_and_crash_point_is_on_its_page(page: str, name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / page).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_no_command_in_the_docs_is_unknown() -> None:
    known = {command.split()[1] for command in commands()}
    named = re.findall(r"(?:`(?:uv run )?|^uv run )zik ([a-z]+)", DOCS, re.MULTILINE)
    assert named
    assert set(named) <= known
