"""Claim what is stale: whole histories become days, and days become work, each in the transaction that does it."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, tuple_
from uuid_utils import uuid7

from worker.database.statement import Statement, instant
from worker.models import ChartPlace, PlayHistory, StaleDay, StaleHistory, User
from worker.statistics.local_time import UserDay
from worker.statistics.rollups.compute import day_rows
from worker.statistics.rollups.pending import DAY_WORDS, days_of_histories

_CLEAR: Final = Statement(
    "DELETE FROM stale_days WHERE (user_id, day) IN (SELECT user_id, day FROM {rows})",
    {"user_id": "bigint", "day": "date"},
)
_SPREAD: Final = Statement(
    f"""
    INSERT INTO stale_days (user_id, day, mark, created_at)
    SELECT DISTINCT user_id, day, CAST(mark AS {{uuid}}), since
      FROM ({days_of_histories("{rows}", "mark", "since")}) AS days
     ORDER BY user_id, day
    """,
    {"user_id": "bigint", "song_id": "bigint", "mark": "text", "since": "timestamptz"},
    DAY_WORDS,
)
# What is computed later is charted later, by whoever sees the song as it is now: days that nobody has computed wait for
# nothing, and neither does the catalogue of a release without statistics.
_SPREAD_TO_CHARTS: Final = Statement(
    """
    INSERT INTO stale_charts (day, mark)
    SELECT DISTINCT {possible_day} AS day, CAST(:mark AS {uuid})
      FROM {rows} JOIN play_history AS play ON play.song_id = incoming.song_id JOIN {shifts}
     WHERE EXISTS (SELECT 1 FROM song_days)
     ORDER BY day
    """,
    {"song_id": "bigint"},
    DAY_WORDS,
)
# Of users who are gone and have left rollups, as TRUNCATE makes them: a sweep finds no plays, and deletes them.
_OF_NOBODY: Final = "WHERE NOT EXISTS (SELECT 1 FROM app_users WHERE app_users.id = user_id)"
_MARK_DAYS_OF_NOBODY: Final = Statement(
    f"""
    INSERT INTO stale_days (user_id, day, mark)
    SELECT user_id, day, CAST(:mark AS {{uuid}})
      FROM (SELECT user_id, day FROM listening_hours {_OF_NOBODY}
             UNION SELECT user_id, day FROM song_days {_OF_NOBODY}) AS stored
     ORDER BY user_id, day
    """,
    {},
    DAY_WORDS,
)
_MARK_CHARTS: Final = Statement(
    "INSERT INTO stale_charts (day, mark) SELECT day, mark FROM {rows} WHERE true ORDER BY day",
    {"day": "date", "mark": "uuid"},
)


def spread_histories(connection: Connection, *, most: int, most_plays: int) -> int:
    """Mark all days of up to `most` users and songs whose history is stale. Returns how many there were.

    Those of `most_plays` at most together, or one: a transaction that outlasts its task would begin anew for ever.
    """
    claimed = _claimed(connection, StaleHistory.charts_only.is_not(True), most)
    taken = _take(connection, _few_enough(connection, claimed, most_plays))
    # The days have waited for as long as the history has.
    rows = [
        {"user_id": each.user_id, "song_id": each.song_id, "mark": each.mark.hex, "since": instant(each.created_at)}
        for each in taken
    ]
    if rows:
        _SPREAD.run(connection, rows)
    return len(taken)


def spread_to_charts(connection: Connection, *, most: int) -> int:
    """Mark the charts of up to `most` songs that are filed elsewhere now. Returns how many there were."""
    taken = _take(connection, _claimed(connection, StaleHistory.charts_only.is_(True), most))
    if taken:
        rows = [{"song_id": each.song_id} for each in taken]
        _SPREAD_TO_CHARTS.run(connection, rows, mark=new_mark().hex)
    return len(taken)


def _claimed(connection: Connection, wanted: ColumnElement[bool], most: int) -> Sequence[Any]:
    """Stale histories that nobody else works on."""
    claimed = select(*StaleHistory.__table__.c).where(wanted).order_by(StaleHistory.mark).limit(most)
    return connection.execute(claimed.with_for_update(skip_locked=True)).all()


def _few_enough(connection: Connection, histories: Sequence[Any], most_plays: int) -> Sequence[Any]:
    """The first of them, at least one, that have no more plays together."""
    plays = 0
    for number, each in enumerate(histories):
        played = select(PlayHistory.id).where(
            PlayHistory.user_id == each.user_id if each.song_id is None else PlayHistory.song_id == each.song_id
        )
        plays += connection.scalar(select(func.count()).select_from(played.limit(most_plays + 1).subquery())) or 0
        if number and plays > most_plays:
            return histories[:number]
    return histories


def _take(connection: Connection, histories: Sequence[Any]) -> Sequence[Any]:
    if histories:
        connection.execute(delete(StaleHistory).where(StaleHistory.mark.in_([each.mark for each in histories])))
    return histories


def oldest_day(connection: Connection) -> UserDay | None:
    """The day that has been stale for longest. Costs a look at each mark."""
    row = connection.execute(select(StaleDay.user_id, StaleDay.day).order_by(StaleDay.created_at).limit(1)).first()
    return None if row is None else (row.user_id, row.day)


def stale_days(connection: Connection, *, after: UserDay, until: UserDay, most: int) -> Sequence[UserDay]:
    """Up to `most` stale days beyond `after`, by user and day. Each once, however many marks it has."""
    key = tuple_(StaleDay.user_id, StaleDay.day)
    found = (
        select(StaleDay.user_id, StaleDay.day)
        .distinct()
        .where(key > after, key <= until)
        .order_by(StaleDay.user_id, StaleDay.day)
        .limit(most)
    )
    return [(user_id, day) for user_id, day in connection.execute(found)]


def claim(connection: Connection, days: Sequence[UserDay]) -> list[UserDay]:
    """Clear the marks of those days whose users nobody else is working on, and lock these users until the commit.

    The marks go before the history is read: a play that commits later has a mark of its own that stays. The lock does
    not hinder the recorders, who only refer to the user. Users who are gone count as ours: nothing of them is left.
    """
    wanted = {user_id for user_id, _ in days}
    locked = select(User.id).where(User.id.in_(wanted)).with_for_update(key_share=True, skip_locked=True)
    ours = set(connection.scalars(locked))
    ours |= wanted - ours - set(connection.scalars(select(User.id).where(User.id.in_(wanted - ours))))
    claimed = [day for day in days if day[0] in ours]
    if claimed:
        _CLEAR.run(connection, day_rows(claimed))
    return claimed


def mark_charts(connection: Connection, days: Iterable[date]) -> None:
    """Tell the charts for everyone which days have been computed anew."""
    mark = new_mark().hex
    rows = [{"day": day.isoformat(), "mark": mark} for day in set(days)]
    if rows:
        _MARK_CHARTS.run(connection, rows)


def mark_all(connection: Connection, *, user_id: int | None = None) -> int:
    """Mark the whole history of one user; or of everybody, with all rollups and charts. Returns how many users."""
    users = select(User.id) if user_id is None else select(User.id).where(User.id == user_id)
    rows = [{"user_id": each, "mark": new_mark()} for each in connection.scalars(users.order_by(User.id))]
    if rows:
        connection.execute(insert(StaleHistory), rows)
    if user_id is None:
        # What no play explains, and charts that no day does, go with the rest.
        _MARK_DAYS_OF_NOBODY.run(connection, (), mark=new_mark().hex)
        mark_charts(connection, connection.scalars(select(ChartPlace.starts_on).distinct()))
    return len(rows)


def new_mark() -> UUID:
    return UUID(bytes=uuid7().bytes)
