"""The favourites of a period: the first places, each beside its listens in the period before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from worker.pages.choices import Choices, choices
from worker.report.wording import MONTHS, day_name
from worker.statistics import (
    ONE_DAY,
    Between,
    Listener,
    Period,
    Place,
    Span,
    Subject,
    UserListening,
    listened,
    listens_of,
    recent_plays,
    span,
    top,
)

_MOST: Final = 50


@dataclass(frozen=True)
class Top:
    """`before` are the listens of each place in the span `compared`, the one before; both are None for all time.

    `has_more` if there are places after the last one. `earlier` and `later` are the spans around; None before the
    history begins, and for what is still to come. `choices` is None for all time.
    """

    subject: Subject
    span: Span
    listens: int
    ms_played: int
    places: Sequence[Place]
    has_more: bool
    compared: Span | None
    before: Sequence[int] | None
    earlier: Span | None
    later: Span | None
    choices: Choices | None


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
    places = top(of, subject, wanted, most=_MOST + 1)
    shown = places[:_MOST]
    compared = before = offered = None
    if period is not Period.ALL:
        compared = span(period, wanted.first - ONE_DAY)
        listens = listens_of(of, subject, compared, [place.identity for place in shown])
        before = [listens.get(place.identity, 0) for place in shown]
        offered = choices(wanted, Span(Period.ALL, first_day(of, listener) or today, today))
    sums = listened(of, wanted)
    return Top(
        subject=subject,
        span=wanted,
        listens=sums.listens,
        ms_played=sums.ms_played,
        places=shown,
        has_more=len(places) > _MOST,
        compared=compared,
        before=before,
        earlier=offered.earlier if offered else None,
        later=offered.later if offered else None,
        choices=offered,
    )


def first_day(of: UserListening, listener: Listener) -> date | None:
    """The local day on which the history begins; None without a play. Costs a look at the first play."""
    since_ever = Between(after=datetime.min.replace(tzinfo=UTC))
    for play in recent_plays(of.connection, of.user_id, most=1, between=since_ever):
        return listener.local_time(play.played_at, play.utc_offset_minutes).date()
    return None


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
