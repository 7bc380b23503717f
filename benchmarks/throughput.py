"""Single plays from waiting to committed: zik beside the usual ways, and beside the limit."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import goals
from benchmarks.contenders import copy, queued, zik
from benchmarks.contenders.contender import Contender, Workload
from benchmarks.data import Shape
from benchmarks.machine import machine
from benchmarks.processes import ROOT
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate, best_of, console
from benchmarks.servers import running_servers

_KNOWN: Final = "zik, users and songs stored before"


def measure(*, rounds: int, shape: Shape, quick: bool, tree: Path = ROOT, against: Path | None = None) -> Report:
    """Find each contender's best setting, then run the best ones in alternating rounds.

    Args:
        rounds: alternating rounds.
        shape: the plays.
        quick: try fewer settings.
        tree: the checkout whose worker is measured.
        against: another checkout, whose worker runs with the same settings as a contender of its own.
    """
    with running_servers() as servers:
        workload = Workload.of(servers, shape)
        tried: dict[str, dict[str, float]] = {}
        chosen: list[Contender] = []
        for candidates in _candidates(quick=quick, tree=tree):
            console.print(f"{candidates[0].name}: looking for its best setting")
            best, tried[candidates[0].name] = best_of(candidates, lambda candidate: candidate.run(workload))
            chosen.append(best)
        chosen.append(zik.recording(chosen[0].setup, name=_KNOWN, known=True))
        if against is not None:
            chosen.append(_same_as(chosen[0], against))
        taken = alternate({each.name: partial(each.run, workload) for each in chosen}, rounds)
        measured_on = machine(servers)
    facts = {"shape": shape.name, "tried": tried, "commands": {each.name: each.command for each in chosen}}
    lines = [Line(each.name, taken[each.name], note=each.settings) for each in chosen]
    name = "throughput-real" if shape.real else "throughput"
    title = f"{'Real' if shape.real else 'Single'} plays, {len(workload.payloads):,} waiting"
    return Report(name, title, measured_on, [*lines, *_ratios(taken)], facts)


def _candidates(*, quick: bool, tree: Path) -> list[list[Contender]]:
    if quick:
        # What did best, here, when all were tried.
        setups = [zik.Setup(2, 10_000, tree=tree), zik.Setup(3, 5_000, tree=tree)]
        copies = [copy.copying(1, "binary", 10_000)], [copy.copying(2, "binary", 10_000)]
        others = [[queued.listens(3)], [queued.batches(2, 2_000)], [queued.single(2, 64)]]
    else:
        setups = [zik.Setup(processes, size, tree=tree) for processes in zik.PROCESSES for size in zik.BATCH_SIZES]
        copies = copy.candidates((1,)), copy.candidates((2, 3))
        others = [
            [queued.listens(number) for number in (1, 2, 3)],
            [queued.batches(number, every) for number in (1, 2) for every in (500, 2_000)],
            [queued.single(number, prefetch) for number in (2, 4) for prefetch in (4, 64)],
        ]
    return [[zik.recording(setup) for setup in setups], *copies, *others]


def _same_as(contender: Contender, tree: Path) -> Contender:
    return zik.recording(replace(contender.setup, tree=tree), name=f"zik of {tree.name}")


def _ratios(taken: dict[str, Measured]) -> list[Line]:
    ours = taken["zik"]
    one = taken["COPY, 1 connection"]
    copies = [measured for name, measured in taken.items() if name.startswith("COPY")]
    best = max(copies, key=lambda measured: measured.median)
    asked = [
        (one, goals.OF_ONE_COPY),
        (best, goals.OF_BEST_COPY),
        (taken["one Celery task per event"], goals.OF_SINGLE),
        (taken["celery-batches"], goals.OF_BATCHES),
    ]
    lines = [Line(goal.what, ours.against(other), "ratio", goal=goal) for other, goal in asked]
    lines += [
        Line(f"{_KNOWN}, ÷ {name}", taken[_KNOWN].against(taken[name]), "ratio") for name in taken if "COPY" in name
    ]
    lines.append(Line("zik ÷ ListenBrainz's shape", ours.against(taken["ListenBrainz's shape"]), "ratio"))
    before = [name for name in taken if name.startswith("zik of ")]
    return lines + [Line(f"zik ÷ {name}", ours.against(taken[name]), "ratio") for name in before]
