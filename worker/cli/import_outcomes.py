"""Say by the books what became of the events of an import. It costs two readings, however long the import is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from worker.books import Books, Outcomes, outcomes
from worker.errors import StreamMisusedError, StreamUnavailableError
from worker.settings import Settings
from worker.stream.inspection import StreamInspector

# Workers that are busy get this long to record the rest, as long as they record some of it all the time.
_SETTLE_S: Final = 10.0
_STANDSTILL_S: Final = 1.0
_POLL_S: Final = 0.1
# A drain that has made progress since then is running.
_RUNNING_S: Final = 5.0


class OutcomesOf(Protocol):
    def __call__(self, published: int, *, may_wait: bool) -> Outcomes | None:
        """What became of so many published events; None if the books cannot be read."""


def no_outcomes(published: int, *, may_wait: bool) -> None:
    """For an import that publishes nothing."""
    del published, may_wait


@contextmanager
def outcomes_by_the_books(settings: Settings) -> Iterator[OutcomesOf]:
    """Read the books before the import. A publisher that may only publish gets no outcomes, and no error."""
    with StreamInspector.opened(settings.redis_url) as stream:
        before = _books(stream)

        def outcomes_of(published: int, *, may_wait: bool) -> Outcomes | None:
            if may_wait and published and before:
                _settle(stream)
            after = _books(stream)
            return outcomes(before, after, published=published) if before and after else None

        yield outcomes_of


def _books(stream: StreamInspector) -> Books | None:
    try:
        return stream.books()
    except (StreamMisusedError, StreamUnavailableError):
        return None


def _settle(stream: StreamInspector) -> None:
    """Wait until the stream is empty, or its workers stand still. Ctrl-C ends the waiting, not the import."""
    waiting, since = None, time.monotonic()
    deadline = since + _SETTLE_S
    try:
        while (left := stream.books().waiting) and time.monotonic() < deadline:
            if left != waiting:
                waiting, since = left, time.monotonic()
            is_running = any(age_s < _RUNNING_S for age_s in stream.last_progress_s().values())
            if not is_running or time.monotonic() - since > _STANDSTILL_S:
                return
            time.sleep(_POLL_S)
    except (KeyboardInterrupt, StreamMisusedError, StreamUnavailableError):
        return
