"""The books: where every event is that Redis ever accepted. They balance, or say by how much they do not."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of an accepted event. Every one has exactly one."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    DEAD = "dead"


@dataclass(frozen=True)
class Books:
    """Where every event that Redis ever accepted is now.

    `received` counts entries added to the stream, `waiting` those not yet acknowledged (`pending` of them are in a
    worker's hands). `unaccounted` is what has gone without an outcome: deleted or trimmed by somebody else.
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
