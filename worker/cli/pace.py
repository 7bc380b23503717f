"""By how much the books change in a second, over the last few looks."""

from collections import deque

from worker.books import Books

_LOOKS = 10
_FIGURES = ("received", "recorded", "duplicate", "dead", "waiting")


class Pace:
    """Remembers the last looks at the books."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Books]] = deque(maxlen=_LOOKS)

    def of(self, books: Books, *, at_s: float) -> dict[str, float]:
        """Changes a second since the oldest look that is remembered, by figure; 0 at the first look."""
        self._looks.append((at_s, books))
        since_s, before = self._looks[0]
        if at_s == since_s:
            return dict.fromkeys(_FIGURES, 0.0)
        return {name: (getattr(books, name) - getattr(before, name)) / (at_s - since_s) for name in _FIGURES}
