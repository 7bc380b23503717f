"""What a listener's first page shows: their last plays, their figures, and when they listen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from worker.pages.heat import HourCell, MonthOfDays, months_of_days, week_clock
from worker.pages.plays import ListedPlay, latest_plays
from worker.statistics import (
    Listener,
    Period,
    Place,
    Span,
    Streaks,
    Subject,
    Totals,
    UserListening,
    days,
    span,
    streaks,
    top,
    totals,
    week_hours,
)

_FAVOURITES: Final = 5
_MONTHS: Final = 12


@dataclass(frozen=True)
class Profile:
    """`lately` is the current month, `year` the last twelve with it."""

    today: date
    plays: Sequence[ListedPlay]
    totals: Totals
    week: Totals
    streaks: Streaks
    lately: Span
    artists: Sequence[Place]
    year: Span
    months: Sequence[MonthOfDays]
    clock: Sequence[tuple[str, Sequence[HourCell]]]

    @property
    def years(self) -> Sequence[int]:
        """The years with plays, and those between them, latest first."""
        first, last = self.totals.first_day, self.totals.last_day
        return range(last.year, first.year - 1, -1) if first and last else ()


def profile(of: UserListening, listener: Listener, *, now: datetime) -> Profile:
    """Ask all questions of the page. The most expensive are those about the whole history: totals and streaks."""
    today = listener.today(now)
    ever, lately, year = span(Period.ALL, today), span(Period.MONTH, today), last_twelve_months(today)
    return Profile(
        today=today,
        plays=latest_plays(of),
        totals=totals(of, ever),
        week=totals(of, span(Period.WEEK, today)),
        streaks=streaks(of, ever, today=today),
        lately=lately,
        artists=top(of, Subject.ARTIST, lately, most=_FAVOURITES),
        year=year,
        months=months_of_days(days(of, year.first, year.last), year.first, year.last),
        clock=week_clock(week_hours(of, year)),
    )


def last_twelve_months(today: date) -> Span:
    """The months up to the current one, which ends today."""
    months = today.year * _MONTHS + today.month - _MONTHS
    year, month = divmod(months, _MONTHS)
    return Span(Period.ALL, date(max(1, year), month + 1, 1), today)
