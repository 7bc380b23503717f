"""The favourites of a period: the first places, each beside its listens in the period before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

from worker.report.wording import MONTHS, day_name
from worker.statistics import (
    ONE_DAY,
    Listener,
    Period,
    Place,
    Span,
    Subject,
    UserListening,
    listened,
    listens_of,
    span,
    top,
)

_MOST: Final = 50


@dataclass(frozen=True)
class Top:
    """`before` are the listens of each place in the span `earlier`; both are None for all time.

    `later` is the span after, None if it is still to come. `calendar` is None unless the span is a month.
    """

    subject: Subject
    span: Span
    listens: int
    ms_played: int
    places: Sequence[Place]
    earlier: Span | None
    before: Sequence[int] | None
    later: Span | None
    calendar: "MonthsOfYear | None"


@dataclass(frozen=True)
class MonthsOfYear:
    """Months to choose from, by their first days: those of a year, and the same month in the years around it.

    `year_after` is None if it is still to come.
    """

    months: Sequence[date]
    year_before: date
    year_after: date | None

    @classmethod
    def around(cls, month: date, today: date) -> "MonthsOfYear":
        def in_year(year: int) -> date:
            return min(date(year, month.month, 1), today.replace(day=1))

        return cls(
            months=[first for number in range(1, 13) if (first := date(month.year, number, 1)) <= today],
            year_before=in_year(month.year - 1),
            year_after=in_year(month.year + 1) if month.year < today.year else None,
        )


class AskedTop(NamedTuple):
    """Whose places, and the period that contains the day `at`, by default today."""

    subject: Subject
    period: Period
    at: date | None


def tops(of: UserListening, listener: Listener, *, asked: AskedTop, now: datetime) -> Top:
    """The first fifty places, and what there was of each in the period before."""
    subject, period, at = asked
    today = listener.today(now)
    wanted = span(period, at or today)
    places = top(of, subject, wanted, most=_MOST)
    earlier = later = before = None
    if period is not Period.ALL:
        earlier, following = span(period, wanted.first - ONE_DAY), span(period, wanted.last + ONE_DAY)
        later = following if following.first <= today else None
        identities = [place.identity for place in places]
        listens = listens_of(of, subject, earlier, identities)
        before = [listens.get(identity, 0) for identity in identities]
    sums = listened(of, wanted)
    return Top(
        subject=subject,
        span=wanted,
        listens=sums.listens,
        ms_played=sums.ms_played,
        places=places,
        earlier=earlier,
        before=before,
        later=later,
        calendar=MonthsOfYear.around(wanted.first, today) if period is Period.MONTH else None,
    )


def span_name(wanted: Span) -> str:
    """A span as in a heading.

    >>> span_name(span(Period.MONTH, date(2026, 11, 3))), span_name(span(Period.WEEK, date(2026, 11, 3)))
    ('Nov 2026', '2 Nov to 8 Nov 2026')
    """
    match wanted.period:
        case Period.DAY:
            return day_name(wanted.first)
        case Period.WEEK:
            return f"{wanted.first.day} {MONTHS[wanted.first.month - 1]} to {day_name(wanted.last)}"
        case Period.MONTH:
            return f"{MONTHS[wanted.first.month - 1]} {wanted.first.year}"
        case Period.YEAR:
            return str(wanted.first.year)
        case Period.ALL:
            return "all time"
