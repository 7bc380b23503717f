"""What the rollups do not say yet, because it waits to be computed."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, func, null, or_, select, union

from worker.contract.events import local_days
from worker.models import ListeningHour, PlayHistory, StaleChart, StaleDay, StaleHistory
from worker.statistics.sql import within

_DAY: Final = timedelta(days=1)
# Of a play without an offset each day may be the local one that is no more than a day away from the UTC day.
DAY_WORDS: Final = {
    "postgresql": {
        "possible_day": (
            "CAST(play.played_at + make_interval(mins => coalesce(play.utc_offset_minutes, 0)) AS date) + shift"
        ),
        "shifts": "(VALUES (-1), (0), (1)) AS shifts (shift) ON shift = 0 OR play.utc_offset_minutes IS NULL",
        "uuid": "uuid",
    },
    "sqlite": {
        "possible_day": (
            "date(substr(play.played_at, 1, 19), coalesce(play.utc_offset_minutes, 0) || ' minutes', shift || ' days')"
        ),
        "shifts": (
            "(SELECT -1 AS shift UNION SELECT 0 UNION SELECT 1) AS shifts"
            " ON shift = 0 OR play.utc_offset_minutes IS NULL"
        ),
        "uuid": "text",
    },
}


def days_of_histories(histories: str, *columns: str) -> str:
    """The days that whole histories touch, in SQL with `DAY_WORDS`: `user_id`, `day` and these columns of theirs.

    `histories` has the alias `incoming`. Days that have rollups and no plays count too: what nobody can explain is
    computed anew with the rest. A day may come several times.
    """
    also = "".join(f", incoming.{column}" for column in columns)
    return f"""
        SELECT play.user_id, {{possible_day}} AS day{also}
          FROM {histories} JOIN play_history AS play ON play.user_id = incoming.user_id JOIN {{shifts}}
         UNION ALL
        SELECT play.user_id, {{possible_day}} AS day{also}
          FROM {histories} JOIN play_history AS play ON play.song_id = incoming.song_id JOIN {{shifts}}
         UNION ALL
        SELECT hours.user_id, hours.day{also}
          FROM {histories} JOIN listening_hours AS hours ON hours.user_id = incoming.user_id
    """


def waiting_days(connection: Connection, user_id: int, first: date, last: date) -> Sequence[date]:
    """The user's days from `first` to `last` that wait, in order: marked, or touched by a history that is marked.

    A day may be named without need, and none is missing, also where the rollups have one that no play explains. Costs a
    look at the user's marks; where a history waits that may be theirs, also at their plays.
    """
    marked = select(StaleDay.day).where(StaleDay.user_id == user_id, within(StaleDay.day, first, last))
    history = select(null()).where(_may_be_of(user_id))
    # One statement, because nearly every question finds nothing, and a round trip is most of what that costs.
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
    """The days of the user's whole history, if it is marked; else those of the songs whose history is."""
    whose = set(connection.scalars(select(StaleHistory.user_id).distinct().where(_may_be_of(user_id))))
    if user_id in whose:
        of_plays = select(func.min(PlayHistory.played_at), func.max(PlayHistory.played_at))
        first_at, last_at = connection.execute(of_plays.where(PlayHistory.user_id == user_id)).one()
        of_rollups = select(func.min(ListeningHour.day), func.max(ListeningHour.day))
        ends = set(connection.execute(of_rollups.where(ListeningHour.user_id == user_id)).one()) - {None}
        if first_at is not None:
            # A local day is never more than one day away from the UTC day.
            ends |= {first_at.date() - _DAY, last_at.date() + _DAY}
        if ends:
            yield from map(date.fromordinal, range(min(ends).toordinal(), max(ends).toordinal() + 1))
    else:
        songs = select(StaleHistory.song_id).where(_may_be_of(user_id))
        played = select(PlayHistory.played_at, PlayHistory.utc_offset_minutes)
        theirs = played.where(PlayHistory.user_id == user_id, PlayHistory.song_id.in_(songs))
        for at, offset_minutes in connection.execute(theirs):
            yield from local_days(at, offset_minutes)


def waiting_for_charts(connection: Connection) -> bool:
    """Whether anything has been recorded or computed that the charts for everyone do not show yet."""
    return any(
        connection.execute(select(mark).limit(1)).first() is not None
        for mark in (StaleChart.mark, StaleDay.mark, StaleHistory.mark)
    )
