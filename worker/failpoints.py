"""Named points at which a process can be told to kill itself, so that tests meet every crash that can happen.

Off, which is always but in tests, a point is one comparison with an empty name.
"""

import os
import signal
from enum import StrEnum, unique
from typing import Final


@unique
class Point(StrEnum):
    """Where a process may die, in the order in which a batch passes them."""

    AFTER_READ = "after_read"
    AT_POISON = "at_poison"  # only over a payload that holds `POISON`
    AFTER_DECODE = "after_decode"
    MID_TRANSACTION = "mid_transaction"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    AFTER_DEAD_LETTER = "after_dead_letter"
    MID_ACKNOWLEDGE = "mid_acknowledge"
    AFTER_ACKNOWLEDGE = "after_acknowledge"
    MID_BOOTSTRAP = "mid_bootstrap"
    MID_AGGREGATION = "mid_aggregation"


POISON: Final = b"poison-of-a-test"

_armed: Point | None = None


def arm(point: Point | None) -> None:
    """Let this process die when it passes `point` next; None disarms."""
    global _armed  # noqa: PLW0603 -- a process has one life
    _armed = point


def armed_for(point: Point) -> bool:
    return point is _armed


def hit(point: Point) -> None:
    """Die here, by SIGKILL, if that is the point this process is armed for."""
    if point is _armed:
        os.kill(os.getpid(), signal.SIGKILL)
