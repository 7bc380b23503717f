"""Plays and listens of each local day: the question behind a heat map of a year."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from worker.statistics.periods import Span
from worker.statistics.questions.sources import Listening
from worker.statistics.sql import total


@dataclass(frozen=True)
class Day:
    """One local day. `ms_played` sums the known lengths."""

    day: date
    plays: int
    listens: int
    ms_played: int


@dataclass(frozen=True)
class Listened:
    """What the days of a span add up to. `ms_played` sums the known lengths."""

    plays: int
    listens: int
    ms_played: int


def listened(listening: Listening, span: Span) -> Listened:
    """The sums of `totals` that need no look at songs. Costs as much as `days`, and gives one row."""
    at = listening.rollups(span.first, span.last).days.c
    sums = select(total(at.plays), total(at.listens), total(at.ms_played))
    return Listened(*listening.connection.execute(sums).one())


def days(listening: Listening, first: date, last: date) -> Sequence[Day]:
    """The days with plays from `first` to `last`, both included, in order.

    Costs a look at each hour with plays: some ten rows per day and user.
    """
    hour = listening.rollups(first, last).days.c
    rows = listening.connection.execute(
        select(hour.day, total(hour.plays), total(hour.listens), total(hour.ms_played))
        .group_by(hour.day)
        .order_by(hour.day)
    ).all()
    return [Day(*row) for row in rows]
