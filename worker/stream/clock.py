"""Judge events by the clock of Redis, and stop a worker that has another one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from worker.errors import WorkerUnfitError
from worker.stream.inspection import StreamInspector

# Clocks set over the network differ by less than a second. Five minutes, as in Kerberos, mean that nobody has set one.
MAX_SKEW: Final = timedelta(minutes=5)
# More than a clock that is being slewed loses between two checks.
_STEP: Final = timedelta(seconds=1)


class StreamClock:
    """The clock of Redis, which has stamped the entries. It is read now and then, and goes on by the monotonic clock.

    Args:
        now: this worker's own clock, which decides nothing. It only shows that something is wrong.
    """

    def __init__(self, stream: StreamInspector, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._stream = stream
        self._now = now
        self._monotonic = monotonic
        self._checked: tuple[datetime, datetime, float] | None = None

    def check(self) -> datetime:
        """Read the clock of Redis.

        Raises:
            WorkerUnfitError: this worker's clock is wrong, or Redis' is. Nobody can say which events are too old.
        """
        theirs, ours = self._stream.now(), self._now()
        if trouble := clock_trouble(ours, theirs):
            raise WorkerUnfitError(f"{trouble}; until then this worker records nothing")
        self._checked = theirs, ours, self._monotonic()
        return theirs

    def now(self) -> datetime:
        """The time by Redis. Asks it where this worker's clock was set since the last check, or the machine slept."""
        if self._checked is None:
            return self.check()
        theirs, ours, at_s = self._checked
        elapsed = timedelta(seconds=self._monotonic() - at_s)
        if abs(self._now() - ours - elapsed) > _STEP:
            return self.check()
        return theirs + elapsed


def clock_trouble(ours: datetime, theirs: datetime) -> str:
    """Say that this machine's clock and that of Redis differ by more than some minutes; empty if they do not."""
    skew = ours - theirs
    if abs(skew) <= MAX_SKEW:
        return ""
    side = "ahead of" if skew > timedelta(0) else "behind"
    return f"this machine's clock is {_rounded(abs(skew))} {side} the clock of Redis: set whichever is wrong"


def _rounded(skew: timedelta) -> str:
    """Round so coarsely that the text of one outage stays the same."""
    for unit, name in ((timedelta(days=1), "days"), (timedelta(hours=1), "hours")):
        if skew >= 2 * unit:
            return f"about {round(skew / unit):,} {name}"
    return f"about {round(skew / timedelta(minutes=1)):,} minutes"
