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


@dataclass(frozen=True)
class Outcomes:
    """How the events ended that were waiting or came in between two readings of the books.

    `others` of them are not of the publisher who asks: the figures are exactly its own only if there are none.
    """

    recorded: int
    duplicate: int
    dead: int
    waiting: int
    others: int


def outcomes(before: Books, after: Books, *, published: int) -> Outcomes:
    """What became of the events that were published between two readings of the books."""
    return Outcomes(
        recorded=after.recorded - before.recorded,
        duplicate=after.duplicate - before.duplicate,
        dead=after.dead - before.dead,
        waiting=after.waiting,
        others=before.waiting + after.received - before.received - published,
    )
