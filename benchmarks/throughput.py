"""Single events from waiting to committed: zik beside the usual ways, and beside the limit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import goals
from benchmarks.contenders import copy, queued, zik
from benchmarks.contenders.contender import Contender, Workload
from benchmarks.data import Kind, Shape
from benchmarks.machine import machine
from benchmarks.processes import ROOT
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate, best_of, console
from benchmarks.servers import running_servers

_DEFAULTS: Final = "zik as installed"
_TITLES: Final = {"mix": "the mix", "ordinary": "ordinary plays", "real": "real histories"}


@dataclass(frozen=True)
class _Chosen:
    """Each contender with its best setting, and what was tried to find it."""

    contenders: list[Contender]
    tried: dict[str, dict[str, float]]


def measure(  # noqa: PLR0913 -- what the command line offers, each with a default
    *, rounds: int, events: int, quick: bool, real: bool = False, tree: Path = ROOT, against: Path | None = None
) -> Report:
    """Find each contender's best setting, then run the best ones in alternating rounds.

    zik and COPY get the mix and ordinary plays, or the real histories. The usual ways only get ordinary plays, the
    friendliest shape: they know neither events without an id nor favorites, and refuse nothing.

    Args:
        rounds: alternating rounds.
        events: how many wait.
        quick: take the settings that did best when all were tried.
        real: the real histories instead.
        tree: the checkout whose worker is measured.
        against: another checkout, whose worker runs with the same settings as a contender of its own.
    """
    kinds: tuple[Kind, ...] = ("real",) if real else ("mix", "ordinary")
    with running_servers() as servers:
        workloads = {kind: Workload.of(servers, Shape(events=events, kind=kind)) for kind in kinds}
        runs: dict[str, Callable[[], float]] = {}
        lines: dict[str, Contender] = {}
        tried = {}
        for kind, workload in workloads.items():
            chosen = _chosen(workload, quick=quick, tree=tree, against=against, usual=kind != "mix")
            tried[kind] = chosen.tried
            for each in chosen.contenders:
                name = _named(each.name, kind)
                lines[name], runs[name] = each, partial(each.run, workload)
        taken = alternate(runs, rounds)
        measured_on = machine(servers)
    facts = {"events": events, "tried": tried, "commands": {name: each.command for name, each in lines.items()}}
    report = [Line(name, taken[name], note=each.settings) for name, each in lines.items()]
    waiting = len(workloads[kinds[0]].payloads)
    return Report(
        "throughput-real" if real else "throughput",
        f"{waiting:,} single events waiting",
        measured_on,
        [*report, *_ratios(taken, kinds)],
        facts,
    )


def _named(contender: str, kind: Kind) -> str:
    return f"{contender}, {_TITLES[kind]}"


def _chosen(workload: Workload, *, quick: bool, tree: Path, against: Path | None, usual: bool) -> _Chosen:
    tried: dict[str, dict[str, float]] = {}
    best: list[Contender] = []
    for candidates in _candidates(quick=quick, tree=tree, usual=usual):
        winner = candidates[0]
        if len(candidates) > 1:
            console.print(f"{winner.name}: looking for its best setting")
            winner, tried[winner.name] = best_of(candidates, lambda candidate: candidate.run(workload))
        best.append(winner)
    best.insert(1, zik.recording(zik.Setup(tree=tree), name=_DEFAULTS))
    if against is not None:
        best.append(zik.recording(replace(best[0].setup, tree=against), name=f"zik of {against.name}"))
    return _Chosen(best, tried)


def _candidates(*, quick: bool, tree: Path, usual: bool) -> list[list[Contender]]:
    if quick:
        # What did best, here, when all were tried.
        setups = [zik.Setup(2, 10_000, tree=tree)]
        copies = [copy.copying(1, "binary", 10_000)], [copy.copying(2, "binary", 10_000)]
        others = [[queued.listens(3)], [queued.batches(2, 2_000)], [queued.single(2, 64)]]
    else:
        setups = [zik.Setup(processes, size, tree=tree) for processes in zik.PROCESSES for size in zik.BATCH_SIZES]
        copies = copy.candidates((1,)), copy.candidates((2,))
        others = [
            [queued.listens(number) for number in (1, 2, 3)],
            [queued.batches(number, every) for number in (1, 2) for every in (500, 2_000)],
            [queued.single(number, prefetch) for number in (2, 4) for prefetch in (4, 64)],
        ]
    return [[zik.recording(setup) for setup in setups], *copies, *(others if usual else [])]


def _ratios(taken: dict[str, Measured], kinds: tuple[Kind, ...]) -> list[Line]:
    lines: list[Line] = []
    for kind in kinds:
        ours, rest = taken[_named("zik", kind)], f", {_TITLES[kind]}"
        for name, theirs in taken.items():
            if name.endswith(rest) and theirs is not ours:
                goal = _GOALS.get(name)
                turned = name.startswith(_DEFAULTS)
                ratio = theirs.against(ours) if turned else ours.against(theirs)
                what = f"{name} ÷ best settings" if turned else f"zik ÷ {name}"
                lines.append(Line(goal.what if goal else what, ratio, "ratio", goal=goal))
    return lines


_GOALS: Final = {
    "COPY, 1 connection, the mix": goals.MIX_OF_ONE_COPY,
    "COPY, 2 connections, the mix": goals.MIX_OF_TWO_COPIES,
    f"{_DEFAULTS}, the mix": goals.DEFAULTS,
    "COPY, 1 connection, ordinary plays": goals.ORDINARY_OF_ONE_COPY,
    "one Celery task per event, ordinary plays": goals.OF_SINGLE,
    "celery-batches, ordinary plays": goals.OF_BATCHES,
}
