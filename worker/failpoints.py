"""Named points at which tests kill a process, so that they cover every crash that can happen.

Disarmed, which is always except in tests, a point costs one comparison.
"""

import os
import signal
from enum import StrEnum, unique
from typing import Final


@unique
class Point(StrEnum):
    """Where a process may die, in the order in which a batch reaches them."""

    AFTER_READ = "after_read"
    AT_POISON = "at_poison"  # only with a payload that contains `POISON`
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
    """Make this process die when it next reaches `point`; None disarms."""
    global _armed  # noqa: PLW0603 -- a process dies once
    _armed = point


def armed_for(point: Point) -> bool:
    return point is _armed


def hit(point: Point) -> None:
    """Die here, by SIGKILL, if this process is armed for the point."""
    if point is _armed:
        os.kill(os.getpid(), signal.SIGKILL)
