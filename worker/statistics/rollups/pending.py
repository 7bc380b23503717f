"""Which of a user's days have rollups that are out of date."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Date, and_, cast, func, literal, null, or_, select, union

from worker.contract.events import local_days
from worker.models import ListeningHour, PlayHistory, SongDay, StaleChart, StaleDay, StaleHistory, SummedStretch
from worker.statistics.periods import ONE_DAY

_DAY: Final = 0
_HISTORY: Final = 1
_FILING: Final = 2
_STRETCH: Final = 3

Days = tuple[date, date]


class Pending(NamedTuple):
    """What is true of a user's rollups in one snapshot.

    `days` wait for a sweep, in order: they are marked, or part of a marked history. `stretches` have sums, each by its
    first and last day. `is_filing` if a song is about to be filed elsewhere, so that sums of artists and albums may not
    hold.
    """

    days: Sequence[date]
    stretches: Sequence[Days]
    is_filing: bool


def pending_of(connection: Connection, user_id: int) -> Pending:
    """Which of a user's days wait for a sweep, and which stretches are summed.

    Days may include one that is up to date, and miss none, not even a day with rollups and no plays. Costs a look at
    the user's marks; if a history is marked that may be theirs, also a look at their plays.
    """
    no_day = cast(null(), Date)
    marked = select(literal(_DAY), StaleDay.day, no_day).where(StaleDay.user_id == user_id)
    history = select(literal(_HISTORY), no_day, no_day).where(_may_be_of(user_id))
    filing = select(literal(_FILING), no_day, no_day).where(StaleHistory.song_id.is_not(None))
    stretch = SummedStretch
    summed = select(literal(_STRETCH), stretch.first_day, stretch.last_day).where(stretch.user_id == user_id)
    # One statement: nearly every question finds little here, so the round trip is most of the cost.
    found: dict[int, list[Days]] = {_DAY: [], _HISTORY: [], _FILING: [], _STRETCH: []}
    for kind, first, last in connection.execute(union(marked, history, filing, summed)):
        found[kind].append((first, last))
    days = {day for day, _ in found[_DAY]}
    if found[_HISTORY]:
        days.update(_days_of_histories(connection, user_id))
    return Pending(sorted(days), found[_STRETCH], bool(found[_FILING]))


def waiting_days(connection: Connection, user_id: int, first: date, last: date) -> Sequence[date]:
    """The user's days from `first` to `last` that wait for a sweep, see `pending_of`."""
    return [day for day in pending_of(connection, user_id).days if first <= day <= last]


def _may_be_of(user_id: int) -> ColumnElement[bool]:
    """The user's whole history is marked, or that of a song which they may have played."""
    return and_(
        StaleHistory.charts_only.is_not(True), or_(StaleHistory.user_id == user_id, StaleHistory.song_id.is_not(None))
    )


def _days_of_histories(connection: Connection, user_id: int) -> Iterator[date]:
    """All days of the user if their history is marked, else the days of the songs whose history is."""
    marked_users = set(connection.scalars(select(StaleHistory.user_id).distinct().where(_may_be_of(user_id))))
    if user_id in marked_users:
        of_plays = select(func.min(PlayHistory.played_at), func.max(PlayHistory.played_at))
        first_at, last_at = connection.execute(of_plays.where(PlayHistory.user_id == user_id)).one()
        of_rollups = select(func.min(ListeningHour.day), func.max(ListeningHour.day))
        ends = set(connection.execute(of_rollups.where(ListeningHour.user_id == user_id)).one()) - {None}
        if first_at is not None:
            # A local day is at most one day away from the UTC day.
            ends |= {first_at.date() - ONE_DAY, last_at.date() + ONE_DAY}
        if ends:
            yield from map(date.fromordinal, range(min(ends).toordinal(), max(ends).toordinal() + 1))
    else:
        songs = select(StaleHistory.song_id).where(_may_be_of(user_id))
        played = select(PlayHistory.played_at, PlayHistory.utc_offset_minutes)
        theirs = played.where(PlayHistory.user_id == user_id, PlayHistory.song_id.in_(songs))
        for at, offset_minutes in connection.execute(theirs):
            yield from local_days(at, offset_minutes)


def has_one_listener(connection: Connection) -> bool:
    """Whether all rollups are of one user: then the charts for everyone are that user's. Costs two look-ups by key."""
    first, last = select(func.min(SongDay.user_id)), select(func.max(SongDay.user_id))
    # Two statements in one: SQLite looks only a single min or max up by key.
    ends = connection.execute(select(first.scalar_subquery(), last.scalar_subquery())).one()
    return ends[0] is not None and ends[0] == ends[1]


def waiting_for_charts(connection: Connection) -> bool:
    """Whether anything is recorded or computed that the charts for everyone do not show yet."""
    return any(
        connection.execute(select(mark).limit(1)).first() is not None
        for mark in (StaleChart.mark, StaleDay.mark, StaleHistory.mark)
    )
