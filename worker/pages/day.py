"""One local day: its plays in order, and those of it that were deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from worker.operations.corrections import Choice, FoundPlay, find, ids_of_day
from worker.statistics import ONE_DAY, Day, Listener, UserListening, days, second_reports

# As many on one page. A day may have thousands, from a player that repeats itself.
MOST: Final = 100


@dataclass(frozen=True)
class DayOfListening:
    """`plays` are those of the page with this number, from 1; `deleted` is empty for those who may not bring them back.

    `sums` is None for a day without plays. `counted_from` has the plays that do not count, with the source whose report
    of the same ones does.
    """

    day: date
    sums: Day | None
    plays: Sequence[FoundPlay]
    deleted: Sequence[FoundPlay]
    counted_from: Mapping[UUID, str]
    number: int
    pages: int
    earlier: date
    later: date | None


class AskedDay(NamedTuple):
    """A day, which page of its plays, and whether to show what was deleted."""

    day: date
    number: int
    with_deleted: bool


def day_of_listening(of: UserListening, listener: Listener, *, asked: AskedDay, now: datetime) -> DayOfListening:
    """Costs a look at each play of three days, and at the songs of one page."""
    day, number, with_deleted = asked
    ids = ids_of_day(of.connection, of.user_id, day)
    shown = ids[(number - 1) * MOST : number * MOST]
    plays = find(of.connection, of.user_id, Choice(ids=shown)) if shown else ()
    deleted = find(of.connection, of.user_id, Choice(day=day), deleted=True, most=MOST) if with_deleted else ()
    sums = days(of, day, day)
    return DayOfListening(
        day=day,
        sums=sums[0] if sums else None,
        plays=plays,
        deleted=deleted,
        counted_from=second_reports(of, [day]),
        number=number,
        pages=max(1, -(-len(ids) // MOST)),
        earlier=day - ONE_DAY,
        later=day + ONE_DAY if day < listener.today(now) else None,
    )
