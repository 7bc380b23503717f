"""What zik costs while nothing happens: importing it, and an installation that waits."""

import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import psutil

from benchmarks import goals
from benchmarks.machine import machine
from benchmarks.processes import ROOT, await_that
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, console
from benchmarks.usage import pss_mb
from worker.cli.commands import ENTRIES
from worker.local.process import LocalProcess
from worker.local.valkey import free_port

SECONDS: Final = 180.0
_SETTLE_S: Final = 20.0
_HOUR_S: Final = 3_600.0
_READY: Final = "Ctrl-C stops everything"
_PYTHON: Final[Mapping[str, Sequence[str]]] = {
    "python, importing nothing": ["-c", ""],
    "zik --version": ["-m", "worker", "--version"],
    "zik --help": ["-m", "worker", "--help"],
    "import worker.client": ["-c", "import worker.client"],
    "celery -A worker, its imports": ["-c", "import celery.bin.celery, worker.celery, worker.tasks"],
    "zik up's worker, its imports": ["-c", "import worker.celery.__main__, worker.tasks"],
    "zik serve, the imports of one process": ["-c", "import worker.http.application"],
}


def measure(*, rounds: int, seconds: float) -> Report:
    """Of an environment as users install it: that of development has more for each program to import."""
    measured_on = machine()
    lines = [*_imports(rounds), *_idle(seconds)]
    return Report("idle", "Importing, and waiting", measured_on, lines, {"seconds": seconds})


# --- Importing ----------------------------------------------------------------------------------


def _imports(rounds: int) -> list[Line]:
    taken = {name: [_run(arguments) for _ in range(rounds)] for name, arguments in _PYTHON.items()}
    lines = [_line(name, [cpu_s for cpu_s, _ in each], [wall_s for _, wall_s in each]) for name, each in taken.items()]
    helped = {name: _run(["-m", "worker", *name.split(), "--help"]) for name in ENTRIES}
    slowest = max(helped, key=lambda name: helped[name][0])
    cpu_s, wall_s = zip(*helped.values(), strict=True)
    return [*lines, _line(f"zik COMMAND --help, {len(helped)} commands, slowest: {slowest}", cpu_s, wall_s)]


def _line(name: str, cpu_s: Sequence[float], wall_s: Sequence[float]) -> Line:
    note = f"of processor time; wall clock {1_000 * statistics.median(wall_s):.0f} ms"
    return Line(name, Measured(tuple(1_000 * each for each in cpu_s)), "ms", note)


def _run(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds of processor time and of wall clock."""
    command = [installed_python(), *arguments]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own words
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - began


@cache
def installed_python() -> str:
    """The Python of an environment that has this checkout, what it needs, and nothing of what its tests need."""
    folder = Path(tempfile.gettempdir()) / "zik-benchmark-data" / "installed"
    env = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    sync = [
        "sync",
        "--quiet",
        "--frozen",
        "--compile-bytecode",
        "--no-default-groups",
        "--extra",
        "embedded",
        "--extra",
        "http",
    ]
    subprocess.run([shutil.which("uv") or "uv", *sync], check=True, env=env, cwd=ROOT)  # noqa: S603 -- our own words
    return str(folder / "bin" / "python")


# --- Waiting ------------------------------------------------------------------------------------


def _idle(seconds: float) -> Iterator[Line]:
    with _installation() as owner:
        time.sleep(_SETTLE_S)
        processes = {_name(process): process for process in [owner, *owner.children(recursive=True)]}
        before = {name: _cpu_s(process) for name, process in processes.items()}
        began = time.monotonic()
        time.sleep(seconds)
        passed_s = time.monotonic() - began
        spent_s = {name: _cpu_s(process) - before[name] for name, process in processes.items()}
        memory_mb = {name: pss_mb(process) for name, process in processes.items()}
    for name, mb in memory_mb.items():
        hour = f"{spent_s[name] / passed_s * _HOUR_S:.1f} s of processor time an hour"
        yield Line(f"zik up, {name}", Measured((mb,)), "MB", hour)
    yield Line(goals.IDLE_MEMORY.what, Measured((sum(memory_mb.values()),)), "MB", goal=goals.IDLE_MEMORY)
    share = 100 * sum(spent_s.values()) / passed_s
    yield Line(goals.IDLE_CPU.what, Measured((share,)), "%", f"over {passed_s:.0f} s", goals.IDLE_CPU)


@contextmanager
def _installation() -> Iterator[psutil.Process]:
    """`zik up` in an empty home, with the Valkey and the SQLite that it takes by itself."""
    home = Path(tempfile.mkdtemp(prefix="zik-benchmarks-"))
    env = {
        "ZIK_HOME": str(home),
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "DATABASE_URL": "sqlite:///dev.db",
    }
    up = LocalProcess("up", [installed_python(), "-m", "worker", "up"], log=home / "up.log", env=env)
    try:
        up.start()
        await_that(lambda: _READY in up.log_tail(), running=up)
        # Beside this process stands its keeper, which is the benchmark's.
        owners = [each for each in psutil.Process().children() if each.cmdline()[-3:] == ["-m", "worker", "up"]]
        yield owners[0]
    finally:
        console.print("  stopping zik up", highlight=False)
        up.stop()
        shutil.rmtree(home, ignore_errors=True)


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    if "worker.local.keeper" in words:
        return f"keeper of {words[-2]}"
    if "worker.celery" in words:
        return "worker, with beat"
    if "serve" in words:
        parent = process.parent()
        return "HTTP server" if parent is not None and parent.cmdline() == words else "HTTP server's parent"
    return "Valkey" if "valkey" in words[0] else "zik up itself"


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
