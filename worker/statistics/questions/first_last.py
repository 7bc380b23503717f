"""The first and the last listen of a span: with what a year began, and how it ended."""

from dataclasses import dataclass

from worker.statistics.periods import Span
from worker.statistics.questions.listens import Listen, listens_by_day, nth_listens
from worker.statistics.questions.sources import UserListening


@dataclass(frozen=True)
class FirstAndLast:
    """The ends of a span. They are the same listen if there is only one."""

    first: Listen
    last: Listen


def first_and_last(listening: UserListening, span: Span) -> FirstAndLast | None:
    """The first listen of a span's first day with one, and the last of its last day; None without a listen.

    Costs a look at each hour with plays in the span, and at each play of two days.
    """
    by_day = listens_by_day(listening, span)
    if not by_day:
        return None
    (first_day, _), (last_day, listens) = by_day[0], by_day[-1]
    return FirstAndLast(*nth_listens(listening, [(first_day, 0), (last_day, listens - 1)]))
