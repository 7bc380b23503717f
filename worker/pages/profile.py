"""What a listener's first page shows: their last plays, their figures, and when they listen."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from worker.pages.heat import HourCell, MonthOfDays, months_of_days, week_clock
from worker.pages.plays import ListedPlay, latest_plays
from worker.statistics import (
    Day,
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
    streaks_of,
    top,
    totals,
    week_hours,
)

_FAVOURITES: Final = 5
_MONTHS: Final = 12


@dataclass(frozen=True)
class Profile:
    """`ever` has the sums of each day with plays, `week` the listens of the current one, `lately` the current month.

    `year` is the last twelve months with the current one.
    """

    today: date
    plays: Sequence[ListedPlay]
    ever: Sequence[Day]
    week: int
    streaks: Streaks
    lately: Totals
    artists: Sequence[Place]
    year: Span
    months: Sequence[MonthOfDays]
    clock: Sequence[tuple[str, Sequence[HourCell]]]

    @property
    def years(self) -> Sequence[int]:
        """The years with plays, and those between them, latest first."""
        return range(self.ever[-1].day.year, self.ever[0].day.year - 1, -1) if self.ever else ()

    @property
    def first_listen(self) -> date | None:
        """The day of the first listen, which may be later than that of the first play."""
        return next((day.day for day in self.ever if day.listens), None)

    @property
    def listens(self) -> int:
        return sum(day.listens for day in self.ever)

    @property
    def ms_played(self) -> int:
        return sum(day.ms_played for day in self.ever)


def profile(of: UserListening, listener: Listener, *, now: datetime) -> Profile:
    """Ask all questions of the page. Costs a look at each day with plays, ever.

    The songs and artists of a whole history are not counted, which would take most of the time.
    """
    today = listener.today(now)
    month, week, year = span(Period.MONTH, today), span(Period.WEEK, today), last_twelve_months(today)
    ever = days(of, date.min, date.max)
    recent = ever[bisect_left(ever, year.first, key=lambda day: day.day) :]
    return Profile(
        today=today,
        plays=latest_plays(of),
        ever=ever,
        week=sum(day.listens for day in recent if day.day in week),
        streaks=streaks_of((day.day for day in ever if day.listens), today=today),
        lately=totals(of, month),
        artists=top(of, Subject.ARTIST, month, most=_FAVOURITES),
        year=year,
        months=months_of_days([day for day in recent if day.day in year], year.first, year.last),
        clock=week_clock(week_hours(of, year)),
    )


def last_twelve_months(today: date) -> Span:
    """The months up to the current one, which ends today."""
    months = today.year * _MONTHS + today.month - _MONTHS
    year, month = divmod(months, _MONTHS)
    return Span(Period.ALL, date(max(1, year), month + 1, 1), today)
