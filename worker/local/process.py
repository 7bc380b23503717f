"""Start a process that ends when this one does, however this one ends."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from worker.local.keeper import STOP_TIMEOUT_S


class LocalProcess:
    """A command that runs under `worker.local.keeper`."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", "worker.local.keeper", *command]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
            )
        return self

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def stop(self) -> int | None:
        """Ask the process to end, wait for it, and return its exit code; None if it was never started."""
        if self._process is None:
            return None
        if self._process.stdin:
            self._process.stdin.close()
        return self._process.wait(STOP_TIMEOUT_S + 5)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log, for an error text."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
