"""One to four workers on one machine, each with one process, as separate services would be; and two on two hosts."""

from dataclasses import replace
from functools import partial
from typing import Final

from benchmarks.contenders import zik
from benchmarks.contenders.contender import Workload
from benchmarks.data import Shape
from benchmarks.hosts import NETWORK, hosts, why_none
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import alternate, console
from benchmarks.servers import running_servers

WORKERS: Final = (1, 2, 3, 4)
_HOSTS: Final = "zik, 2 workers on 2 hosts"


def measure(*, rounds: int, shape: Shape, setup: zik.Setup) -> Report:
    """The hosts are network namespaces with addresses of their own, which share this machine's cores, too."""
    missing = why_none()
    with hosts(0 if missing else 2) as two, running_servers(clients=[] if missing else [NETWORK]) as servers:
        workload = Workload.of(servers, shape)
        setups = {_name(number): replace(setup, processes=1, workers=number) for number in WORKERS}
        if two:
            setups[_HOSTS] = replace(setup, processes=1, workers=len(two), hosts=two)
        else:
            console.print(f"  no hosts: {missing}", highlight=False)
        taken = alternate({name: partial(zik.record_all, workload, each) for name, each in setups.items()}, rounds)
        measured_on = machine(servers)
    lines = [Line(name, measured, note="each with -c 1") for name, measured in taken.items()]
    one, both = taken[_name(1)], taken[_name(2)]
    lines += [Line(f"{name} ÷ one", taken[name].against(one), "ratio") for name in list(taken)[1:]]
    if two:
        lines.append(Line(f"{_HOSTS} ÷ 2 workers here", taken[_HOSTS].against(both), "ratio"))
    return Report("scaling", f"Workers on one machine, {shape.events:,} plays waiting", measured_on, lines)


def _name(workers: int) -> str:
    return f"zik, {workers} worker{'s' if workers > 1 else ''}"
