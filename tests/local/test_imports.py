"""What an idle installation holds in memory: a library that a process does not need is not imported by it."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        # It watches the others, and calls what needs these in a process of its own.
        ("worker.cli, worker.cli.up", {"redis", "sqlalchemy", "celery", "rich"}),
        ("worker.celery.__main__, worker.tasks", {"alembic", "prompt_toolkit", "rich", "typer"}),
        ("worker.http.application", {"alembic", "celery", "typer"}),
        ("worker.client", {"pydantic_settings", "sqlalchemy", "celery"}),
    ],
)
def test_a_process_imports_no_more_than_it_needs(modules: str, unneeded: set[str]) -> None:
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not unneeded & set(done.stdout.split())
