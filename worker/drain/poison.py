"""Find the entry that ends its readers: an attempt at what was left unfinished is on record until it is survived."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Final, NamedTuple

from worker.errors import ZikError
from worker.stream.consumer import EventStream
from worker.stream.entries import Batch, Entry

# What ended its readers is looked for among fifty, then alone: two thousand lone transactions would take half a minute.
_SOME: Final = 50
# A machine that loses power may end one; three in a row at one entry alone is no accident.
_LONE_ATTEMPTS: Final = 3
# What our own code raises over a payload it was not written for. Whatever else ends an attempt says nothing of the
# payload: a database that is away, a time limit, the end of the process.
_BUGS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


class WorkItem(NamedTuple):
    """What to finish in one transaction. `unsurvived` counts the attempts at it on record; None: nobody has read it."""

    batch: Batch
    unsurvived: int | None = None

    @property
    def kills_reader(self) -> bool:
        return (self.unsurvived or 0) >= 2 + _LONE_ATTEMPTS


class PoisonGuard:
    """The attempts of one consumer. Entries that are read for the first time cost it nothing."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._survived: set[str] = set()

    def turns(self, batch: Batch) -> Iterator[WorkItem]:
        """The parts of a batch that was left unfinished: all of it, then fifty at a time, then one by one.

        The most suspect come last, so that their neighbours are recorded before they can do more harm.
        """
        self._settle()
        unsurvived = self._stream.attempts([entry.id for entry in batch.entries])
        rated = sorted(zip(unsurvived, batch.entries, strict=True), key=_attempts)
        if batch.vanished:
            yield WorkItem(Batch([], batch.vanished), 0)
        for attempts, alike in groupby(rated, key=_attempts):
            entries = [entry for _, entry in alike]
            size = {0: len(entries), 1: _SOME}.get(attempts, 1)
            for start in range(0, len(entries), size):
                yield WorkItem(Batch(entries[start : start + size], []), attempts)

    @contextmanager
    def attempt(self, turn: WorkItem) -> Iterator[None]:
        """Finish the turn in this block. Only what ends the process in it, or a bug of ours, stays on record."""
        if turn.unsurvived is None:
            yield
            return
        self._settle()
        ids = [entry.id for entry in turn.batch.entries]
        self._stream.begin_attempt(ids)
        ids += turn.batch.vanished
        try:
            yield
        except _BUGS:
            raise
        except BaseException:
            self._survived.update(ids)
            with suppress(ZikError):
                self._settle()
            raise
        self._survived.update(ids)
        self._settle()

    def _settle(self) -> None:
        """Strike off what was survived. Remembered until Redis has heard it: its outage must count against no entry."""
        self._stream.end_attempt(self._survived)
        self._survived.clear()


def _attempts(rated: tuple[int, Entry]) -> int:
    return rated[0]
