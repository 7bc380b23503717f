"""The documents and files of the house: complete, linted without a network, and saying what the code says."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.workers import ROOT
from worker.settings import Settings, load_settings

BIN: Final = Path(sys.executable).parent
GITHUB: Final = ROOT / ".github"
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION: Final[str] = PROJECT["version"]
CI: Final = (ROOT / ".ci" / "run").read_text()
LINTERS: Final = [line for line in CI.splitlines() if line.startswith("uv run ") and "pytest" not in line]


# --- .env.example ---------------------------------------------------------------------------------

EXAMPLE: Final = (ROOT / ".env.example").read_text()
VARIABLES: Final = re.findall(r"^#([A-Z_]+)=", EXAMPLE, re.MULTILINE)


def test_each_setting_is_in_the_example_once() -> None:
    """A field is named as its variable is, with or without the prefix of zik."""
    fields = [field.removeprefix("zik_") for field in Settings.model_fields]
    assert sorted(variable.lower().removeprefix("zik_") for variable in VARIABLES) == sorted(fields)


def test_the_example_has_the_variables_of_the_readme() -> None:
    _, _, section = (ROOT / "README.md").read_text().partition("## Settings")
    names = re.findall(r"^\| (`[A-Z_`, ]+`) \|", section.partition("\n## ")[0], re.MULTILINE)
    of_the_readme = {name.strip("` ") for cell in names for name in cell.split(",")}
    assert set(VARIABLES) == of_the_readme - {"ZIK_SECRETS_DIR"}, "ZIK_SECRETS_DIR is read from the environment only"


def test_each_setting_in_the_example_has_a_line_that_explains_it_and_is_commented_out() -> None:
    lines = EXAMPLE.splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    settings = [number for number, line in enumerate(lines) if re.match(r"#[A-Z_]+=", line)]
    assert [lines[number] for number in settings if not re.match(r"# \S.*\.$", lines[number - 1])] == []


def test_the_example_uncommented_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings()
    env_file = tmp_path / ".env"
    env_file.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE))
    monkeypatch.setattr("worker.settings.ENV_FILES", (env_file,))
    assert load_settings().model_dump() == defaults.model_dump()
