"""Mark the days whose statistics a new play makes stale, in the transaction that stores the play."""

import struct
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from uuid_utils import uuid7

from worker.contract.events import local_days
from worker.database.copy import copy_rows
from worker.database.copy import days as packed_days
from worker.database.statement import Statement

_COPIED: Final = ("user_id", "day", "mark")
_ROW: Final = struct.Struct("!hiqiii16s").pack
_INSERT: Final = Statement(
    """
    INSERT INTO stale_days (user_id, day, mark)
    SELECT user_id, day, mark FROM {rows} WHERE true ORDER BY user_id, day
    """,
    {"user_id": "bigint", "day": "date", "mark": "uuid"},
)


def mark_stale_days(connection: Connection, played: Iterable[tuple[int, datetime, int | None]]) -> None:
    """Mark the local days of these plays, given as user id, instant and offset in minutes."""
    days = {(user_id, day) for user_id, at, offset_minutes in played for day in local_days(at, offset_minutes)}
    if not days:
        return
    mark = uuid7()
    # Every transaction has a mark of its own, so COPY cannot meet a duplicate.
    if connection.dialect.name == "postgresql":
        rows = (_ROW(3, 8, user_id, 4, packed_days(day), 16, mark.bytes) for user_id, day in sorted(days))
        copy_rows(connection, "stale_days", _COPIED, rows)
    else:
        given = [{"user_id": user_id, "day": day.isoformat(), "mark": mark.hex} for user_id, day in days]
        _INSERT.run(connection, given)
