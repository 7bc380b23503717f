"""Find the entry that kills its readers: an attempt at an unfinished entry stays on record until it is survived."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Final, NamedTuple

from worker.errors import WorkerUnfitError, ZikError
from worker.stream.consumer import EventStream
from worker.stream.entries import Batch, Entry

# The suspects are tried fifty at a time, then one by one: two thousand single transactions would take half a minute.
_GROUP_SIZE: Final = 50
_SHARED_ATTEMPTS: Final = 2
# A power cut can end one attempt; three in a row at one entry alone are no accident.
_LONE_ATTEMPTS: Final = 3
# What code raises over a payload that it was not written for.
BUGS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class WorkItem(NamedTuple):
    """What to record in one transaction. `unsurvived` counts failed attempts on record; None: never read before."""

    batch: Batch
    unsurvived: int | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether it is one entry alone. Its attempts count only where a harmless event has just been recorded."""
        return (self.unsurvived or 0) >= _SHARED_ATTEMPTS

    @property
    def kills_reader(self) -> bool:
        return (self.unsurvived or 0) >= _SHARED_ATTEMPTS + _LONE_ATTEMPTS


class PoisonGuard:
    """Keeps the attempts of one consumer on record. Entries that are read for the first time cost it nothing."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._survived: set[str] = set()
        self._bug: Exception | None = None

    def split(self, batch: Batch) -> Iterator[WorkItem]:
        """Split an unfinished batch by its attempts on record: all at once, then fifty at a time, then one by one.

        The most suspect come last, so that their neighbours are recorded before they can do more harm.
        """
        self._strike_off()
        unsurvived = self._stream.attempts([entry.id for entry in batch.entries])
        rated = sorted(zip(unsurvived, batch.entries, strict=True), key=_attempts)
        if batch.vanished:
            yield WorkItem(Batch([], batch.vanished), 0)
        for attempts, alike in groupby(rated, key=_attempts):
            entries = [entry for _, entry in alike]
            size = {0: len(entries), 1: _GROUP_SIZE}.get(attempts, 1)
            for start in range(0, len(entries), size):
                yield WorkItem(Batch(entries[start : start + size], []), attempts)

    @contextmanager
    def attempt(self, item: WorkItem) -> Iterator[None]:
        """Process the item inside this block. Only the end of the process, or a bug, leaves the attempt on record."""
        if item.unsurvived is None:
            yield
            return
        self._strike_off()
        ids = [entry.id for entry in item.batch.entries]
        self._stream.begin_attempt(ids)
        ids += item.batch.vanished
        try:
            yield
        except BaseException as error:
            if error is self._bug:
                raise
            self._survived.update(ids)
            with suppress(ZikError):
                self._strike_off()
            raise
        self._survived.update(ids)
        self._strike_off()

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """Decode or record inside this block: a bug that this raises counts against the entries, and no other does."""
        try:
            yield
        except BUGS as error:
            if not _is_exhaustion(error):
                self._bug = error
            raise

    def _strike_off(self) -> None:
        """Remove survived attempts from the record, again until Redis confirms: its outage counts against no entry."""
        self._stream.end_attempt(self._survived)
        self._survived.clear()


def _attempts(rated: tuple[int, Entry]) -> int:
    return rated[0]


@contextmanager
def exhaustion_as_outage() -> Iterator[None]:
    """Raise `WorkerUnfitError` when this process runs out of memory or threads, because no entry is to blame."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_exhaustion(error):
            raise
        lack = "memory" if isinstance(error, MemoryError) else "threads"
        raise WorkerUnfitError(f"this worker has no {lack} left: raise its limit, or start fewer processes") from None


def _is_exhaustion(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)
