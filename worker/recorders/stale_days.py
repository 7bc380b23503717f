"""Mark the days whose statistics a new play has made stale, in the transaction that stores the play."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection
from uuid_utils import uuid7

from worker.events import Moment
from worker.recorders.rows import Statement

# The local day of an instant, anywhere on Earth: clocks run from 12 hours behind UTC to 14 ahead.
_BEHIND: Final = timedelta(hours=12)
_AHEAD: Final = timedelta(hours=14)

_INSERT: Final = Statement(
    """
    INSERT INTO stale_days (user_id, day, mark)
    SELECT user_id, day, mark FROM {rows} WHERE true ORDER BY user_id, day
    """,
    {"user_id": "bigint", "day": "date", "mark": "uuid"},
)


def mark_stale_days(connection: Connection, played: Iterable[tuple[int, Moment]]) -> None:
    """Mark the local days of these plays, given as user id and moment."""
    days = {(user_id, day) for user_id, moment in played for day in local_days(moment)}
    if not days:
        return
    mark = uuid7().hex
    _INSERT.run(connection, [{"user_id": user_id, "day": day.isoformat(), "mark": mark} for user_id, day in days])


def local_days(moment: Moment) -> set[date]:
    """The local day of the moment; every day it may be, where the client gave no offset.

    The user's `timezone` preference would narrow it down, but it may change between marking and computing, and a day
    computed in vain costs less than a day forgotten.
    """
    at: datetime = moment.at
    if moment.offset_minutes is not None:
        return {(at + timedelta(minutes=moment.offset_minutes)).date()}
    return {(at - _BEHIND).date(), at.date(), (at + _AHEAD).date()}
