"""Ask all questions of the report about one year of one listener."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from worker.errors import ZikError
from worker.escaping import printable
from worker.statistics import (
    Day,
    Discovery,
    DiscoveryCount,
    Listener,
    Period,
    Place,
    Span,
    Streak,
    Subject,
    Totals,
    UserListening,
    WeekHour,
    count_discoveries,
    days,
    discoveries,
    span,
    streaks,
    top,
    totals,
    week_hours,
)

_PLACES = 10
_LATEST = 8


@dataclass(frozen=True)
class Year:
    """`discovered` counts the discoveries of each month that has any. `latest` are the newest discoveries."""

    listener: Listener
    span: Span
    totals: Totals
    longest: Streak | None
    days: Sequence[Day]
    hours: Sequence[WeekHour]
    tops: Mapping[Subject, Sequence[Place]]
    discovered: Sequence[DiscoveryCount]
    latest: Sequence[Discovery]

    @property
    def number(self) -> int:
        return self.span.first.year


def year_of(listening: UserListening, listener: Listener, year: int, *, today: date) -> Year:
    """The answers for one calendar year of one user. Costs nine questions.

    Raises:
        ZikError: the user has no plays in that year.
    """
    wanted = span(Period.YEAR, date(year, 1, 1))
    found = totals(listening, wanted)
    if not found.plays:
        name = printable(listener.username)
        raise ZikError(f"no plays of {name} in {year}; `zik stats --user {name}` shows the days that have plays")
    return Year(
        listener=listener,
        span=wanted,
        totals=found,
        longest=streaks(listening, wanted, today=today).longest,
        days=days(listening, wanted.first, wanted.last),
        hours=week_hours(listening, wanted),
        tops={subject: top(listening, subject, wanted, most=_PLACES) for subject in Subject},
        discovered=count_discoveries(listening, Period.MONTH, wanted),
        latest=discoveries(listening, wanted, most=_LATEST),
    )
