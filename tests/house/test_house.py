"""The project's documents and files are complete, pass their linters without a network, and match the code."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.processes import ROOT
from worker.settings import Settings, load_settings, variable_of

BIN: Final = Path(sys.executable).parent
GITHUB: Final = ROOT / ".github"
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION: Final[str] = PROJECT["version"]
CI: Final = (ROOT / ".ci" / "run").read_text()
LINTERS: Final = [line for line in CI.splitlines() if line.startswith("uv run ") and "pytest" not in line]


# --- the workflows and templates ------------------------------------------------------------------

SCHEMAS: Final = {
    "workflows/*.yml": ["vendor.github-workflows", "custom.github-workflows-require-timeout"],
    "ISSUE_TEMPLATE/[!c]*.yml": ["vendor.github-issue-forms"],
    "ISSUE_TEMPLATE/config.yml": ["vendor.github-issue-config"],
}


@pytest.mark.parametrize(("files", "schema"), [(files, schema) for files, each in SCHEMAS.items() for schema in each])
def test_the_files_of_the_host_follow_its_schemas(files: str, schema: str) -> None:
    paths = sorted(GITHUB.glob(files))
    assert paths
    subprocess.run([BIN / "check-jsonschema", "--builtin-schema", schema, *paths], check=True)


def test_each_file_of_the_host_has_a_schema() -> None:
    checked = {path for files in SCHEMAS for path in GITHUB.glob(files)}
    assert checked == set(GITHUB.rglob("*.y*ml"))


def test_workflows_and_hooks_pass_their_linter() -> None:
    subprocess.run(
        [BIN / "zizmor", "--offline", "--strict-collection", "--no-progress", "--quiet", "."], cwd=ROOT, check=True
    )


def workflow(name: str) -> dict[str, Any]:
    text: dict[str, Any] = yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text())
    return text


def test_the_ci_runs_on_every_supported_python() -> None:
    job = workflow("ci")["jobs"]["ci"]
    named = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    assert job["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert job["env"]["UV_PYTHON"] == "${{ matrix.python }}"
    assert job["steps"][-1] == {"run": ".ci/run"}


@pytest.mark.parametrize(("tag", "accepted"), [(f"v{VERSION}", True), (VERSION, False), ("v99.0.0", False)])
def test_a_tag_that_is_not_the_version_is_not_released(tag: str, accepted: bool) -> None:  # noqa: FBT001 -- a column
    (step,) = [
        step for step in workflow("release")["jobs"]["build"]["steps"] if step.get("name") == "The tag is the version"
    ]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "GITHUB_REF_NAME": tag}
    answer = subprocess.run(["bash", "-e", "-c", step["run"]], cwd=ROOT, env=environment, check=False)
    assert (answer.returncode == 0) == accepted


def test_only_the_publish_job_may_publish_and_after_the_checks() -> None:
    jobs = workflow("release")["jobs"]
    assert set(jobs["publish"]["needs"]) == {"test", "build"}
    assert jobs["publish"]["environment"]
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]


# --- the commands that everybody types ------------------------------------------------------------


def recipes() -> dict[str, str]:
    return dict(re.findall(r"^(\w+): ; (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_check_runs_the_linters_of_the_ci() -> None:
    assert recipes()["check"].split(" && ") == LINTERS


def test_each_target_of_make_is_one_line_and_no_file() -> None:
    first, *_ = (ROOT / "Makefile").read_text().splitlines()
    assert recipes().keys() == set(first.removeprefix(".PHONY:").split())
    assert [target for target in recipes() if (ROOT / target).exists()] == []


def test_commit_hooks_are_local_linters_of_the_ci() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].removesuffix(" --force-exclude") in LINTERS


def test_the_modules_of_the_api_reference_exist() -> None:
    (command,) = re.findall(r"`uv run --group docs pdoc ([^`]+)`", (ROOT / "CONTRIBUTING.md").read_text())
    modules = [word for word in shlex.split(command) if word.startswith("worker")]
    assert "worker.client" in modules
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


# --- .env.example ---------------------------------------------------------------------------------

EXAMPLE: Final = (ROOT / ".env.example").read_text()
VARIABLES: Final = re.findall(r"^#([A-Z_]+)=", EXAMPLE, re.MULTILINE)


def test_each_setting_is_in_the_example_once() -> None:
    assert sorted(VARIABLES) == sorted(map(variable_of, Settings.model_fields))


def test_the_example_has_the_variables_of_the_readme() -> None:
    _, _, section = (ROOT / "README.md").read_text().partition("## Settings")
    names = re.findall(r"^\| (`[A-Z_`, ]+`) \|", section.partition("\n## ")[0], re.MULTILINE)
    of_the_readme = {name.strip("` ") for cell in names for name in cell.split(",")}
    assert set(VARIABLES) == of_the_readme - {"ZIK_SECRETS_DIR"}, "ZIK_SECRETS_DIR is read from the environment only"


def test_each_example_setting_is_explained_and_commented_out() -> None:
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


# --- the release ----------------------------------------------------------------------------------

RELEASES: Final = re.findall(r"^## (\d\S+) — (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_dated_sections_of_the_changelog_are_newest_first() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections == ["Unreleased", *(f"{version} — {day}" for version, day in RELEASES)]
    days = [date.fromisoformat(day) for _, day in RELEASES]
    assert days == sorted(days, reverse=True)


def test_the_version_is_the_newest_release_or_a_later_one() -> None:
    released = [version for version, _ in RELEASES]
    assert released[0] == VERSION or (VERSION.endswith(".dev0") and VERSION.removesuffix(".dev0") not in released)


def test_the_table_of_tags_has_each_release_with_its_date() -> None:
    rows = re.findall(r"^\| `v(\S+)` \| (\S+) \|", (ROOT / "RELEASING.md").read_text(), re.MULTILINE)
    assert rows == RELEASES[::-1]


def test_fixes_are_promised_for_the_newest_release() -> None:
    minor = RELEASES[0][0].rpartition(".")[0]
    assert f"| {minor}.x, the newest release | yes |" in (ROOT / "SECURITY.md").read_text()


# --- the documents --------------------------------------------------------------------------------

DOCUMENTS: Final = ["CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_readme_links_each_document_and_its_links_resolve(name: str) -> None:
    assert f"]({name})" in (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []
