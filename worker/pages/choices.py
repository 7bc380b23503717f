"""Which weeks, months and years can be chosen: none before the history begins, and none that is still to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from worker.report.wording import MONTHS
from worker.statistics import ONE_DAY, Period, Span, span

_WEEK: Final = timedelta(weeks=1)


@dataclass(frozen=True)
class Choice:
    name: str
    span: Span


@dataclass(frozen=True)
class Choices:
    """The `group` has the chosen week's month, with its weeks, or the chosen month's year, or all years.

    `before` and `after` lead to the groups around; `earlier` and `later` are the neighbours of the chosen span. Each is
    None where there is nothing.
    """

    group: str
    listed: Sequence[Choice]
    before: Choice | None
    after: Choice | None
    earlier: Span | None
    later: Span | None


def choices(chosen: Span, history: Span) -> Choices:
    """What can be chosen beside a week, a month or a year. `history` begins with the first play, and ends today."""
    period = chosen.period
    first, last = span(period, history.first).first, span(period, history.last).last
    group = Span(Period.ALL, first, last) if period is Period.YEAR else _group_of(chosen)
    listed, day = [], max(group.first, first)
    while day <= min(group.last, last):
        each = span(period, day)
        # A week belongs to the month of its Monday.
        if each.first in group:
            listed.append(Choice(_name(each), each))
        day = each.last + ONE_DAY
    before, after = (span(period, min(max(day, first), last)) for day in _around(chosen, group))
    earlier, later = span(period, chosen.first - ONE_DAY), span(period, chosen.last + ONE_DAY)
    return Choices(
        group=_group_name(group, period),
        listed=listed,
        before=_choice_of_group(before) if before.first < group.first else None,
        after=_choice_of_group(after) if after.first > group.last else None,
        earlier=earlier if first <= earlier.first <= last else None,
        later=later if first <= later.first <= last else None,
    )


def _group_of(chosen: Span) -> Span:
    return span(Period.MONTH if chosen.period is Period.WEEK else Period.YEAR, chosen.first)


def _around(chosen: Span, group: Span) -> tuple[date, date]:
    """A day in the group before, and one in the group after: of a month the same one in those years."""
    if chosen.period is Period.MONTH:
        return chosen.first.replace(year=chosen.first.year - 1), chosen.first.replace(year=chosen.first.year + 1)
    return group.first - ONE_DAY, group.last + _WEEK


def _choice_of_group(of: Span) -> Choice:
    return Choice(_group_name(_group_of(of), of.period), of)


def _group_name(group: Span, period: Period) -> str:
    match period:
        case Period.WEEK:
            return f"{MONTHS[group.first.month - 1]} {group.first.year}"
        case Period.MONTH:
            return str(group.first.year)
        case _:
            return ""


def _name(of: Span) -> str:
    match of.period:
        case Period.WEEK:
            return f"{of.first.day} {MONTHS[of.first.month - 1]}"
        case Period.MONTH:
            return MONTHS[of.first.month - 1]
        case _:
            return str(of.first.year)
