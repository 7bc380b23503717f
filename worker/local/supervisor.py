"""Keep processes running: restart each that ends, with one line for the user, and stop all at the end."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from worker.local.process import LocalProcess

_LONGEST_PAUSE_S: Final = 30.0
# A process that ran for this long did start properly, so its end is no reason to wait.
_PROVEN_S: Final = 60.0


@dataclass
class _Entry:
    """`restart_at` is None while the process runs."""

    process: LocalProcess
    started_at: float
    restart_at: float | None = None
    failures: int = 0


class Supervisor:
    """Starts processes in order, and stops them in reverse order when the block ends."""

    def __init__(
        self, *, report: Callable[[str], object] = lambda _: None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._report = report
        self._monotonic = monotonic
        self._entries: list[_Entry] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entries.clear()
        self._stack.close()

    def start(self, process: LocalProcess) -> None:
        # First, so that Ctrl-C cannot come between.
        self._stack.callback(process.stop)
        process.start()
        self._entries.append(_Entry(process, self._monotonic()))

    def check(self) -> None:
        """Restart what has ended. Call it about once a second, from the thread that started the processes."""
        for entry in self._entries:
            if entry.process.running:
                if not entry.process.kept:
                    self._report(f"the keeper of {entry.process.name} has ended; starting another")
                    entry.process.keep()
            elif entry.restart_at is None:
                self._plan_restart(entry)
            if entry.restart_at is not None and self._monotonic() >= entry.restart_at:
                entry.process.start()
                entry.started_at, entry.restart_at = self._monotonic(), None

    def _plan_restart(self, entry: _Entry) -> None:
        """At once after the first failure, then after 1, 3, 7 and so on seconds."""
        now = self._monotonic()
        entry.failures = 0 if now - entry.started_at >= _PROVEN_S else entry.failures
        pause_s = min(_LONGEST_PAUSE_S, 2**entry.failures - 1)
        entry.failures += 1
        entry.restart_at = now + pause_s
        when = f" in {pause_s:.0f} s" if pause_s else ""
        process = entry.process
        self._report(f"{process.name} {process.ending}; restarting it{when}. See {process.log}")
