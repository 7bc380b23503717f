"""One local day: its plays in order, each deleted one at its place among them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from worker.operations.corrections import Choice, FoundPlay, find, ids_of_day
from worker.statistics import ONE_DAY, Day, Listener, UserListening, days, second_reports, short_plays

# As many on one page. A day may have thousands, from a player that repeats itself.
MOST: Final = 100


@dataclass(frozen=True)
class DayOfListening:
    """`plays` are those of the page with this number, from 1.

    Deleted ones stay at their place, so that a second click meets no other play. They are not there for those who may
    not bring them back.

    `sums` is None for a day without plays. `counted_from` has the plays that do not count, with the source whose report
    of the same ones does. `short` are the plays that are too short for a listen.
    """

    day: date
    sums: Day | None
    plays: Sequence[FoundPlay]
    counted_from: Mapping[UUID, str]
    short: Collection[UUID]
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
    """Costs a look at each play of three days, and at the songs of one page; of the whole day if some are deleted."""
    day, number, with_deleted = asked
    deleted = find(of.connection, of.user_id, Choice(day=day), deleted=True) if with_deleted else ()
    count, plays = _plays(of, asked, deleted)
    sums = days(of, day, day)
    return DayOfListening(
        day=day,
        sums=sums[0] if sums else None,
        plays=plays,
        counted_from=second_reports(of, [day]),
        short=short_plays(of, [day]),
        number=number,
        pages=max(1, -(-count // MOST)),
        earlier=day - ONE_DAY,
        later=day + ONE_DAY if day < listener.today(now) else None,
    )


def _plays(of: UserListening, asked: AskedDay, deleted: Sequence[FoundPlay]) -> tuple[int, Sequence[FoundPlay]]:
    """How many there are on the day, with the deleted ones, and those of the page."""
    on_page = slice((asked.number - 1) * MOST, asked.number * MOST)
    if deleted:
        kept = find(of.connection, of.user_id, Choice(day=asked.day))
        plays = sorted((*kept, *deleted), key=lambda play: (play.time, play.id))
        return len(plays), plays[on_page]
    ids = ids_of_day(of.connection, of.user_id, asked.day)
    shown = ids[on_page]
    return len(ids), find(of.connection, of.user_id, Choice(ids=shown)) if shown else ()
