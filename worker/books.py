"""The books account for every event that Redis ever accepted. They balance, or show the difference."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an accepted event ended. Each event has exactly one outcome."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    DEAD = "dead"


@dataclass(frozen=True)
class Books:
    """Counts of events: received = recorded + duplicate + dead + waiting + unaccounted.

    `received` counts entries added to the stream, `waiting` those not yet acknowledged (a worker holds `pending` of
    them). `unaccounted` entries were deleted or trimmed by someone other than zik.
    """

    received: int
    recorded: int
    duplicate: int
    dead: int
    waiting: int
    pending: int
    oldest_waiting_s: float

    @property
    def unaccounted(self) -> int:
        return self.received - self.recorded - self.duplicate - self.dead - self.waiting

    @property
    def balanced(self) -> bool:
        return self.unaccounted == 0
