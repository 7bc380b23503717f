"""The real processes of contenders, each in its own folder of code, gone when the block ends."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from worker.local.process import LocalProcess

ROOT: Final = Path(__file__).resolve().parent.parent
_READY_WITHIN_S: Final = 30.0


@dataclass(frozen=True)
class Program:
    """`python -m` with each of the commands, from the code in `tree`; a process is ready once it has logged `ready`.

    `prefix`: what each begins with, to run it elsewhere.
    """

    commands: list[list[str]]
    ready: str
    env: Mapping[str, str]
    tree: Path = ROOT
    python: str = sys.executable
    prefix: Sequence[str] = ()


@contextmanager
def running(program: Program, *, folder: Path) -> Iterator[None]:
    """Run the program's processes while the block does, which begins once all are ready."""
    with ExitStack() as stack:
        for number, command in enumerate(program.commands):
            log = folder / f"process-{number}.log"
            log.unlink(missing_ok=True)
            # `python -m` looks for modules in the working directory first.
            whole = [*program.prefix, "env", "-C", str(program.tree), program.python, "-W", "ignore", "-m", *command]
            process = LocalProcess(f"process-{number}", whole, log=log, env=program.env)
            stack.callback(process.start().stop)
            await_that(partial(_has_logged, process, program.ready), running=process)
        yield


def _has_logged(process: LocalProcess, words: str) -> bool:
    return words in process.log_tail(lines=1_000)


def await_that(
    condition: Callable[[], bool],
    *,
    running: LocalProcess | None = None,
    within_s: float = _READY_WITHIN_S,
    every_s: float = 0.02,
) -> None:
    """Wait until the condition holds, or fail with the log of the process that it is about."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline or (running is not None and not running.running):
            raise AssertionError(f"timed out:\n{running.log_tail() if running else ''}")
        time.sleep(every_s)
