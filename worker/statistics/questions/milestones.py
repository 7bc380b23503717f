"""Milestones: the listens that made a round number of a user's whole history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, count
from typing import Final

from worker.statistics.periods import Span
from worker.statistics.questions.listens import Listen, listens_by_day, nth_listens
from worker.statistics.questions.sources import UserListening

_ROUND: Final = (100, 1_000, 5_000)
_THEN_EVERY: Final = 10_000


@dataclass(frozen=True)
class Milestone:
    """The listen that was number `number` of a history, counted by local day, then by instant."""

    number: int
    listen: Listen


def milestones(listening: UserListening, span: Span) -> Sequence[Milestone]:
    """The 100th, the 1,000th, the 5,000th and each 10,000th listen of a history, as far as they are in the span.

    Costs a look at each hour with plays up to the span's end, and for each milestone at the plays of its day.
    """
    by_day = listens_by_day(listening, span._replace(first=date.min))
    found = [(number, day, before) for number, day, before in _reached(by_day) if day >= span.first]
    listens = nth_listens(listening, [(day, number - before - 1) for number, day, before in found])
    return [Milestone(number, listen) for (number, _, _), listen in zip(found, listens, strict=True)]


def _reached(by_day: Sequence[tuple[date, int]]) -> Iterator[tuple[int, date, int]]:
    """Each round number, the day on which it was reached, and the listens of all days before."""
    rounds = chain(_ROUND, count(_THEN_EVERY, _THEN_EVERY))
    number, before = next(rounds), 0
    for day, listens in by_day:
        while number <= before + listens:
            yield number, day, before
            number = next(rounds)
        before += listens
