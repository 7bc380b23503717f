"""Which plays count when several sources report the same ones: the rule in plain Python, over a whole history."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

HOUR = timedelta(hours=1)


class Report(NamedTuple):
    """A play as the rule sees it. `key` is user and song."""

    key: Hashable
    at: datetime
    source: str
    duration_ms: int | None
    ms_played: int | None
    play: Any


def counting(reports: Iterable[Report], same_play_s: int = 120) -> list[Report]:
    """Those that count."""
    by_key: defaultdict[Hashable, list[Report]] = defaultdict(list)
    for report in reports:
        by_key[report.key].append(report)
    return [
        report
        for of_key in by_key.values()
        for run in _runs(sorted(of_key, key=lambda report: report.at), same_play_s)
        for report in _counting_of(run)
    ]


def _reach(report: Report, same_play_s: int) -> timedelta:
    if report.source.endswith("-minutes"):
        reach_ms = 60_000
    else:
        reach_ms = 30_000 if report.duration_ms is None else report.duration_ms // 2
    return timedelta(milliseconds=min(reach_ms, 1000 * same_play_s))


def _runs(ordered: Sequence[Report], same_play_s: int) -> list[list[Report]]:
    runs = [[ordered[0]]]
    for before, after in pairwise(ordered):
        reach = max(_reach(before, same_play_s), _reach(after, same_play_s))
        if after.at - before.at < reach:
            runs[-1].append(after)
        else:
            runs.append([after])
    return runs


def _counting_of(run: Sequence[Report]) -> list[Report]:
    by_source: defaultdict[str, list[Report]] = defaultdict(list)
    for report in run:
        by_source[report.source].append(report)

    def rank(source: str) -> tuple[int, int, datetime, str]:
        of_source = by_source[source]
        known = sum(report.ms_played is not None for report in of_source)
        return -len(of_source), -known, min(report.at for report in of_source), source

    best = min(by_source, key=rank)
    first, last = run[0].at, run[-1].at
    return [report for report in run if report.source == best or report.at - first >= HOUR or last - report.at >= HOUR]
