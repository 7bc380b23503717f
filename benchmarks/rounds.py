"""Contenders side by side: each found at its best, then all in alternating rounds, so that a noisy minute hits all."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from benchmarks.contenders.contender import Contender

console = Console(stderr=True)

_FINALISTS: Final = 3


@dataclass(frozen=True)
class Measured:
    """One figure a round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def against(self, other: "Measured") -> "Measured":
        """The ratio within each round: what slowed one of the two has most likely slowed the other."""
        return Measured(tuple(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)))

    def as_json(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "rounds": list(self.values),
        }


def alternate(measurements: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Measured]:
    """Take every measurement once a round, each round beginning with another one."""
    values: dict[str, list[float]] = {name: [] for name in measurements}
    names = list(measurements)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            values[name].append(measurements[name]())
            console.print(f"  round {number + 1}/{rounds}  {name}: {values[name][-1]:,.2f}", highlight=False)
    return {name: Measured(tuple(taken)) for name, taken in values.items()}


def best_of(candidates: Sequence[Contender], run: Callable[[Contender], float]) -> tuple[Contender, dict[str, float]]:
    """The fastest candidate, and what each reached, by its settings. The first three are tried twice more."""
    reached: dict[str, list[float]] = {candidate.settings: [] for candidate in candidates}

    def settled(candidate: Contender) -> float:
        return statistics.median(reached[candidate.settings])

    def attempt(candidate: Contender) -> None:
        reached[candidate.settings].append(run(candidate))
        latest = reached[candidate.settings][-1]
        console.print(f"  trying {candidate.name} ({candidate.settings}): {latest:,.0f}/s", highlight=False)

    for candidate in candidates:
        attempt(candidate)
    finalists = sorted(candidates, key=settled, reverse=True)[:_FINALISTS]
    for candidate in finalists * 2:
        attempt(candidate)
    best = max(finalists, key=settled)
    return best, {candidate.settings: settled(candidate) for candidate in candidates}
