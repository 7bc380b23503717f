"""Measure listening in minutes where players report them, else in listens."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol

from worker.report.wording import amount, duration
from worker.statistics import Day

_MINUTE_MS: Final = 60_000
_LEAST_MS: Final = 30_000


class Heard(Protocol):
    """What has listens and time: totals, a day, a place."""

    @property
    def listens(self) -> int: ...
    @property
    def ms_played(self) -> int: ...


@dataclass(frozen=True)
class Measure:
    """Minutes or listens, the same for a whole report, so that its charts can be compared."""

    in_time: bool

    @classmethod
    def of(cls, days: Sequence[Day]) -> "Measure":
        """Minutes if every month has half of one for each listen: less means that players report none.

        The days are in order. A year in which one player reports times and another does not is measured in listens.
        """
        months = (list(month) for _, month in groupby(days, key=lambda day: day.day.replace(day=1)))
        sums = [(_ms(month), sum(day.listens for day in month)) for month in months]
        return cls(
            any(ms and listens for ms, listens in sums) and all(ms >= _LEAST_MS * listens for ms, listens in sums)
        )

    @property
    def unit(self) -> str:
        return "minutes" if self.in_time else "listens"

    def count(self, heard: Sequence[Heard]) -> int:
        """Whole minutes, or listens."""
        return _ms(heard) // _MINUTE_MS if self.in_time else sum(each.listens for each in heard)

    def text(self, heard: Sequence[Heard]) -> str:
        """Hours and minutes, or listens."""
        if self.in_time and _ms(heard):
            return duration(_ms(heard))
        return amount(self.count(heard), self.unit.removesuffix("s"))

    def before(self, heard: Sequence[Heard]) -> str:
        """As `text`, of a year before; empty if there is nothing to compare."""
        return self.text(heard) if self.count(heard) else ""


def _ms(heard: Sequence[Heard]) -> int:
    return sum(each.ms_played for each in heard)
