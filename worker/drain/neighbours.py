"""Look at the other consumers: which of this host have died, and whether another worker uses this worker's name."""

import logging
from collections.abc import Callable

from worker.stream.consumer import EventStream
from worker.stream.consumer_names import has_died, place_of
from worker.stream.inspection import Consumer

logger = logging.getLogger(__name__)

# A predecessor may need as long to end when its successor has started.
_OVERLAP_S = 10.0


class Neighbours:
    """The other consumers, as one drain sees them."""

    def __init__(self, stream: EventStream, consumer: str, *, monotonic: Callable[[], float]) -> None:
        self._stream = stream
        self._consumer = consumer
        self._monotonic = monotonic
        self._first_look_at: float | None = None
        # One slot of each worker is enough.
        self._may_warn = place_of(consumer).endswith(":0")

    def look(self) -> list[str]:
        """The consumers of this host that have died. Logs once that another worker has the name of this one."""
        others = [each for each in self._stream.consumers() if each.name != self._consumer]
        dead = [each.name for each in others if has_died(each.name)]
        self._warn_of_namesakes([each for each in others if each.name not in dead])
        return dead

    def _warn_of_namesakes(self, alive: list[Consumer]) -> None:
        now = self._monotonic()
        if self._first_look_at is None:
            self._first_look_at = now
        here_for_s = now - self._first_look_at
        place = place_of(self._consumer)
        if self._may_warn and any(
            place_of(each.name) == place and each.idle_s + _OVERLAP_S < here_for_s for each in alive
        ):
            self._may_warn = False
            node = place.rpartition(":")[0]
            logger.warning("another worker is called %s too: start each with a name of its own, -n NAME@%%h", node)
