from enum import StrEnum


class Outcome(StrEnum):
    """What became of an accepted event. Every one has exactly one."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    DEAD = "dead"
