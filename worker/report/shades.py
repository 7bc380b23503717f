"""Shades of a heat map, each with as many fields: one extreme day does not make all others pale."""

import math
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LEVELS: Final = 4


@dataclass(frozen=True)
class Shades:
    """Level 0 is a count of 0. Levels 1 to `LEVELS` begin at `begins`: 1 and the quartiles of the other counts."""

    begins: Sequence[int]
    most: int

    @classmethod
    def of(cls, counts: Iterable[int]) -> "Shades":
        some = sorted(count for count in counts if count > 0)
        if not some:
            return cls((1,) * LEVELS, 0)
        # `quantiles` needs two values.
        quartiles = statistics.quantiles(some * 2, n=LEVELS, method="inclusive")
        return cls((1, *(max(1, math.ceil(quartile)) for quartile in quartiles)), some[-1])

    def level(self, count: int) -> int:
        return bisect_right(self.begins, count)

    def legend(self) -> Sequence[tuple[int, int, int]]:
        """Each level that can occur: level, least count, greatest count."""
        ends = [*(begin - 1 for begin in self.begins[1:]), self.most]
        return [
            (level, begin, end)
            for level, (begin, end) in enumerate(zip(self.begins, ends, strict=True), start=1)
            if begin <= end
        ]
