"""A listener's year: the answers that the report shows, all asked in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from worker.errors import ZikError
from worker.printable import printable
from worker.statistics.clock import WeekHour, clock
from worker.statistics.days import Day, days
from worker.statistics.discoveries import Discovery, DiscoveryCount, count_discoveries, discoveries
from worker.statistics.listener import Listener
from worker.statistics.periods import Period, Span, span
from worker.statistics.ranking import Place, Subject, ranking
from worker.statistics.streaks import Streak, streaks
from worker.statistics.totals import Totals, totals

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


def year_of(connection: Connection, listener: Listener, year: int, *, today: date) -> Year:
    """Ask everything about one calendar year of one user. Costs the sum of nine questions.

    Raises:
        ZikError: the user has no plays in that year.
    """
    wanted = span(Period.YEAR, date(year, 1, 1))
    found = totals(connection, wanted, user_id=listener.id)
    if not found.plays:
        whose = printable(listener.username)
        raise ZikError(
            f"there is no play of {whose} in {year}: `zik stats --user` says from when to when there are any, and "
            "`zik aggregate` computes what is new"
        )
    return Year(
        listener=listener,
        span=wanted,
        totals=found,
        longest=streaks(connection, wanted, user_id=listener.id, today=today).longest,
        days=days(connection, wanted.first, wanted.last, user_id=listener.id),
        hours=clock(connection, wanted, user_id=listener.id),
        tops={subject: ranking(connection, subject, wanted, user_id=listener.id, most=_PLACES) for subject in Subject},
        discovered=count_discoveries(connection, Period.MONTH, wanted, user_id=listener.id),
        latest=discoveries(connection, wanted, user_id=listener.id, most=_LATEST),
    )
