"""Run one measurement or all of them: `uv run python -m benchmarks throughput --rounds 5`."""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import (
    beside,
    decoding,
    growth,
    http,
    idle,
    latency,
    memory,
    pages,
    profile,
    publishing,
    reading,
    refreshing,
    scaling,
    soak,
    sqlite,
    statistics,
    throughput,
    upgrading,
)
from benchmarks.contenders.zik import Setup
from benchmarks.data import Shape
from benchmarks.processes import ROOT
from benchmarks.report import RESULTS, Report

Options = argparse.Namespace

_ROUNDS: Final = 5
# With --quick: enough to see that everything runs, and nothing more.
_QUICK_ROUNDS: Final = 2
_QUICK_SECONDS: Final = 4.0
_QUICK_ROWS: Final = (0, 1_000_000)
_QUICK_PLAYS: Final = 200_000


def _throughput(options: Options) -> Report:
    return throughput.measure(
        rounds=options.rounds,
        events=options.events or 100_000,
        real=options.real,
        quick=options.quick,
        tree=options.tree,
        against=options.against,
    )


def _latency(options: Options) -> Report:
    seconds = _QUICK_SECONDS if options.quick else options.seconds
    return latency.measure(rounds=options.rounds, seconds=seconds, setup=_setup(options))


def _publishing(options: Options) -> Report:
    return publishing.measure(rounds=options.rounds, shape=Shape(events=options.events or 50_000))


def _decode(options: Options) -> Report:
    return decoding.measure(rounds=options.rounds)


def _memory(options: Options) -> Report:
    events = options.events or (100_000 if options.quick else 500_000)
    return memory.measure(rounds=options.rounds, events=events, setup=_setup(options))


def _sqlite(options: Options) -> Report:
    return sqlite.measure(rounds=options.rounds, shape=Shape(events=options.events or 50_000))


def _growth(options: Options) -> Report:
    rows = options.rows or (_QUICK_ROWS if options.quick else growth.ROWS)
    shape = Shape(events=options.events or 100_000)
    return growth.measure(rounds=options.rounds, shape=shape, rows=rows, setup=_setup(options))


def _scaling(options: Options) -> Report:
    return scaling.measure(rounds=options.rounds, shape=Shape(events=options.events or 100_000), setup=_setup(options))


def _refreshing(options: Options) -> Report:
    plays = options.rows[0] if options.rows else (1_000_000 if options.quick else 5_000_000)
    return refreshing.measure(rounds=options.rounds, plays=plays)


def _beside(options: Options) -> Report:
    shape = Shape(events=options.events or (200_000 if options.quick else 1_000_000), users=10_000)
    return beside.measure(rounds=options.rounds, shape=shape, setup=_setup(options))


def _profile(options: Options) -> Report:
    shape = Shape(events=options.events or 200_000, kind=options.kind)
    return profile.measure(rounds=options.rounds, shape=shape, setup=_setup(options))


def _http(options: Options) -> Report:
    return http.measure(rounds=options.rounds, seconds=1.0 if options.quick else http.SECONDS)


def _idle(options: Options) -> Report:
    return idle.measure(rounds=options.rounds, seconds=20.0 if options.quick else idle.SECONDS)


def _statistics(options: Options) -> Report:
    plays = options.plays or (_QUICK_PLAYS if options.quick else statistics.PLAYS)
    return statistics.measure(rounds=options.rounds, plays=plays)


def _pages(options: Options) -> Report:
    plays = options.plays or (_QUICK_PLAYS if options.quick else pages.PLAYS)
    return pages.measure(rounds=options.rounds, plays=plays)


def _reading(options: Options) -> Report:
    return reading.measure(rounds=options.rounds, plays=options.plays or (500_000 if options.quick else reading.PLAYS))


def _upgrading(options: Options) -> Report:
    if options.against is None:
        raise SystemExit("upgrading: --against names a checkout of the last release")
    plays = options.rows[0] if options.rows else (500_000 if options.quick else 5_000_000)
    return upgrading.measure(old=options.against.resolve(), plays=plays)


def _soak(options: Options) -> Report:
    setup = replace(_setup(options), statistics=True)
    return soak.measure(minutes=2.0 if options.quick else options.minutes, rate=options.rate, setup=setup)


MEASUREMENTS: Final[Mapping[str, Callable[[Options], Report]]] = {
    "throughput": _throughput,
    "profile": _profile,
    "latency": _latency,
    "publishing": _publishing,
    "http": _http,
    "decode": _decode,
    "memory": _memory,
    "sqlite": _sqlite,
    "scaling": _scaling,
    "growth": _growth,
    "refreshing": _refreshing,
    "beside": _beside,
    "statistics": _statistics,
    "pages": _pages,
    "idle": _idle,
    "reading": _reading,
    "upgrading": _upgrading,
    "soak": _soak,
}


def _setup(options: Options) -> Setup:
    return Setup(options.processes, options.batch_size, tree=options.tree)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("measurement", choices=[*MEASUREMENTS, "all"])
    add("--rounds", type=int, help="alternating rounds, else 5; the spread of fewer says little")
    add("--events", type=int, help="plays that wait, or that are recorded; memory's full run takes 5000000")
    add("--quick", action="store_true", help="few settings, and two rounds if --rounds does not say: a first look")
    add("--rows", type=int, nargs="+", help="growth, refreshing, upgrading: how many plays are stored already")
    add(
        "--plays",
        type=int,
        help="statistics, reading: how many plays are stored, 100000 of them one user's; pages: one's",
    )
    add("--seconds", type=float, default=10.0, help="latency: how long each rate is kept")
    add("--minutes", type=float, default=soak.MINUTES, help="soak: how long the rate is kept")
    add("--rate", type=int, help="soak: events a second, else four fifths of the best that it finds")
    add("--processes", type=int, default=2, help="zik's processes, where a measurement does not vary them")
    add("--batch-size", type=int, help="ZIK_BATCH_SIZE, where a measurement does not vary it; else its default")
    add("--kind", choices=["mix", "ordinary"], default="mix", help="profile: what is recorded")
    add("--tree", type=Path, default=ROOT, help="the checkout whose worker is measured")
    add(
        "--real",
        action="store_true",
        help="throughput: the real histories in ../shared/data, under a name of their own",
    )
    add("--against", type=Path, help="throughput, upgrading: another checkout, whose worker runs beside it")
    add("--out", type=Path, default=RESULTS, help="where the JSON and the charts go")
    return parser


def main() -> None:
    # Stop the servers when the benchmark is interrupted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _parser().parse_args()
    options.rounds = options.rounds or (_QUICK_ROUNDS if options.quick else _ROUNDS)
    # An upgrade needs the release before, which not every checkout has beside it.
    every = [name for name in MEASUREMENTS if name != "upgrading" or options.against]
    chosen = every if options.measurement == "all" else [options.measurement]
    for name in chosen:
        MEASUREMENTS[name](options).publish(options.out)


if __name__ == "__main__":
    main()
