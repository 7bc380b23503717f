"""A listener's year: the answers that the report shows, all asked in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from worker.errors import ZikError
from worker.escaping import printable
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.days import Day, days
from worker.statistics.questions.discoveries import Discovery, DiscoveryCount, count_discoveries, discoveries
from worker.statistics.questions.listener import Listener
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.streaks import Streak, streaks
from worker.statistics.questions.top import Place, Subject, ranking
from worker.statistics.questions.totals import Totals, totals
from worker.statistics.questions.week_hours import WeekHour, clock

_PLACES = 10
_LATEST = 8


@dataclass(frozen=True)
class Year:
    """Of `discovered` there is one for each month that has any; `latest` are the newest of them."""

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
    """Ask everything about one calendar year of one user. Costs the sum of nine questions.

    Raises:
        ZikError: the user has no plays in that year.
    """
    wanted = span(Period.YEAR, date(year, 1, 1))
    found = totals(listening, wanted)
    if not found.plays:
        whose = printable(listener.username)
        raise ZikError(f"there is no play of {whose} in {year}: `zik stats --user {whose}` says when there are any")
    return Year(
        listener=listener,
        span=wanted,
        totals=found,
        longest=streaks(listening, wanted, today=today).longest,
        days=days(listening, wanted.first, wanted.last),
        hours=clock(listening, wanted),
        tops={subject: ranking(listening, subject, wanted, most=_PLACES) for subject in Subject},
        discovered=count_discoveries(listening, Period.MONTH, wanted),
        latest=discoveries(listening, wanted, most=_LATEST),
    )
