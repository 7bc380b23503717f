"""The shades of a heat map: as many fields in each, so that one wild day does not make all others pale."""

import math
import statistics
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LEVELS: Final = 4


@dataclass(frozen=True)
class Shades:
    """Level 0 is nothing; levels 1 to `LEVELS` begin at these counts, the quartiles of what is above nothing."""

    begins: Sequence[int]
    most: int

    @classmethod
    def of(cls, counts: Iterable[int]) -> "Shades":
        some = sorted(count for count in counts if count > 0)
        if not some:
            return cls((1,) * LEVELS, 0)
        # One alone has no quantiles.
        quartiles = statistics.quantiles(some * 2, n=LEVELS, method="inclusive")
        return cls((1, *(max(1, math.ceil(quartile)) for quartile in quartiles)), some[-1])

    def level(self, count: int) -> int:
        return bisect_right(self.begins, count)

    def legend(self) -> Sequence[tuple[int, int, int]]:
        """Each level that can occur, with its least and its greatest count."""
        ends = [*(begin - 1 for begin in self.begins[1:]), self.most]
        return [
            (level, begin, end)
            for level, (begin, end) in enumerate(zip(self.begins, ends, strict=True), start=1)
            if begin <= end
        ]
