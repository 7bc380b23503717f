"""`zik up` and `zik demo` as real processes, each in a home of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psutil
import pytest


@contextmanager
def running(home: Path, *command: str, errors: Path | None = None, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """Run `zik` in its own session, and kill it and all its processes at the end.

    `errors`: a file for its standard error, which otherwise goes to standard output.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ZIK_HOME": str(home),
        "COLUMNS": "160",
        "DATABASE_URL": "sqlite:///dev.db",
        **env,
    }
    with errors.open("wb") if errors else nullcontext() as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", *command],
            env=environment,
            cwd=home if home.is_dir() else home.parent,
            stdout=subprocess.PIPE,
            stderr=file or subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for process_of_home in processes_of(home):
            process_of_home.kill()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def processes_of(home: Path) -> list[psutil.Process]:
    """All processes of the zik in this home. Valkey overwrites its environment, so it is found by its folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ZIK_HOME") == str(home) or Path(process.cwd()).is_relative_to(home):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """Standard output up to the line with this text."""
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if text in line:
            return output
    pytest.fail(f"{text!r} was never printed:\n{output}")
