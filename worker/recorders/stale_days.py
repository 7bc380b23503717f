"""Mark the days whose statistics a new play has made stale, in the transaction that stores the play."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection
from uuid_utils import uuid7

from worker.database import copy_rows
from worker.events import Moment
from worker.recorders.rows import Statement

_DAY_MINUTES: Final = 24 * 60
# Somewhere on Earth clocks are 12 hours behind UTC, elsewhere 14 ahead.
_MOST_BEHIND_MINUTES: Final = 12 * 60
_MOST_AHEAD_MINUTES: Final = 14 * 60

_COPY: Final = "COPY stale_days (user_id, day, mark) FROM STDIN"
_INSERT: Final = Statement(
    """
    INSERT INTO stale_days (user_id, day, mark)
    SELECT user_id, day, mark FROM {rows} WHERE true ORDER BY user_id, day
    """,
    {"user_id": "bigint", "day": "date", "mark": "uuid"},
)


def mark_stale_days(connection: Connection, played: Iterable[tuple[int, Moment]]) -> None:
    """Mark the local days of these plays, given as user id and moment."""
    # Most plays of a batch fall on few days, so they are told apart by plain numbers before any day is computed.
    told_apart = {(user_id, moment.at.date(), _shifts(moment)) for user_id, moment in played}
    days = {(user_id, day) for user_id, utc_day, shifts in told_apart for day in _shifted(utc_day, shifts)}
    if not days:
        return
    mark = uuid7().hex
    # No two transactions write one mark, so COPY meets no duplicate.
    if connection.dialect.name == "postgresql":
        copy_rows(connection, _COPY, ((user_id, day, mark) for user_id, day in sorted(days)))
    else:
        _INSERT.run(connection, [{"user_id": user_id, "day": day.isoformat(), "mark": mark} for user_id, day in days])


def local_days(moment: Moment) -> set[date]:
    """The local day of the moment; every day it may be, where the client gave no offset.

    The user's `timezone` preference would narrow it down, but it may change between marking and computing, and a day
    computed in vain costs less than a day forgotten.
    """
    return set(_shifted(moment.at.date(), _shifts(moment)))


def _shifts(moment: Moment) -> tuple[int, int]:
    """How many days, at least and at most, the local day is ahead of the UTC day."""
    minute = moment.at.hour * 60 + moment.at.minute
    if moment.offset_minutes is None:
        return (minute - _MOST_BEHIND_MINUTES) // _DAY_MINUTES, (minute + _MOST_AHEAD_MINUTES) // _DAY_MINUTES
    shift = (minute + moment.offset_minutes) // _DAY_MINUTES
    return shift, shift


def _shifted(utc_day: date, shifts: tuple[int, int]) -> list[date]:
    first, last = shifts
    return [utc_day + timedelta(days=shift) for shift in range(first, last + 1)]
