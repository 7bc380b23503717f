"""Count what the door does, and add it to the measurements of all processes in Redis now and then."""

from collections import Counter
from collections.abc import Mapping


class Meter:
    """Whole numbers that wait for the next report."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    def add(self, measured: Mapping[str, int]) -> None:
        self._waiting.update(measured)

    def take(self) -> Counter[str]:
        """What was added since the last call. Give it back by `add` where the report failed."""
        waiting, self._waiting = self._waiting, Counter()
        return waiting
