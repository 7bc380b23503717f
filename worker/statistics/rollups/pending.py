"""Which of a user's days have rollups that are out of date."""

from collections.abc import Iterator, Sequence
from datetime import date

from sqlalchemy import ColumnElement, Connection, and_, func, null, or_, select, union

from worker.contract.events import local_days
from worker.models import ListeningHour, PlayHistory, SongDay, StaleChart, StaleDay, StaleHistory
from worker.statistics.periods import ONE_DAY
from worker.statistics.sql import within


def waiting_days(connection: Connection, user_id: int, first: date, last: date) -> Sequence[date]:
    """The user's days from `first` to `last` that wait for a sweep, in order: marked, or part of a marked history.

    May include a day that is up to date, and misses none, not even a day with rollups and no plays. Costs a look at the
    user's marks; if a history is marked that may be theirs, also a look at their plays.
    """
    marked = select(StaleDay.day).where(StaleDay.user_id == user_id, within(StaleDay.day, first, last))
    history = select(null()).where(_may_be_of(user_id))
    # One statement: nearly every question finds nothing here, so the round trip is most of the cost.
    days = set(connection.scalars(union(marked, history)))
    if None in days:
        days.remove(None)
        days.update(day for day in _days_of_histories(connection, user_id) if first <= day <= last)
    return sorted(days)


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
