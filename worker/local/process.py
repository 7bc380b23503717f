"""Start a process that ends when this one does, however this one ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from worker.local.keeper import STOP_TIMEOUT_S, kill_group
from worker.local.leash import leashed


class LocalProcess:
    """A command in a session of its own, so that Ctrl-C in the terminal reaches only its owner.

    If the owner is killed, a keeper stops the command.
    """

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, or start it again after it has ended."""
        self._end_rest()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                leashed(self._command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
            )
        self.keep()
        return self

    def keep(self) -> None:
        """Start a keeper."""
        if self._process is None:
            return
        self._end_keeper()
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "worker.local.keeper", self.name, str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._env,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def kept(self) -> bool:
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, for a message."""
        code = self._process.poll() if self._process else None
        if code is None or code >= 0:
            return f"exited with code {code}"
        return f"was killed by {signal.Signals(-code).name}"

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def stop(self) -> int | None:
        """Ask the process to end, wait for it, and return its exit code; None if it was never started."""
        if self._process is None:
            return None
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self._end_rest()
        return self._process.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log, for an error text."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _end_rest(self) -> None:
        """Kill what is left of the command's group, then its keeper."""
        if self._process is not None:
            kill_group(self._process.pid)
        self._end_keeper()

    def _end_keeper(self) -> None:
        if self._keeper is not None:
            # Its pipe stays open until it is gone, or it would signal the id of a process that has ended.
            self._keeper.kill()
            self._keeper.wait()
            if self._keeper.stdin:
                self._keeper.stdin.close()
