"""One to four workers on one machine, each with one process, as separate services would be."""

from dataclasses import replace
from functools import partial
from typing import Final

from benchmarks.contenders import zik
from benchmarks.contenders.contender import Workload
from benchmarks.data import Shape
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate
from benchmarks.servers import running_servers

WORKERS: Final = (1, 2, 3, 4)


def measure(*, rounds: int, shape: Shape, setup: zik.Setup) -> Report:
    with running_servers() as servers:
        workload = Workload.of(servers, shape)
        setups = {_name(number): replace(setup, processes=1, workers=number) for number in WORKERS}
        taken = alternate({name: partial(zik.record_all, workload, each) for name, each in setups.items()}, rounds)
        told = machine(servers)
    lines = [Line(name, measured, note="each with -c 1") for name, measured in taken.items()]
    one = taken[_name(1)]
    lines += [Line(f"{name} ÷ one", taken[name].against(one), "ratio") for name in list(taken)[1:]]
    return Report("scaling", f"Workers on one machine, {shape.events:,} plays waiting", told, lines)


def _name(workers: int) -> str:
    return f"zik, {workers} worker{'s' if workers > 1 else ''}"
