"""Claim what is stale, each mark in the transaction that does its work: histories become days, days are computed."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, tuple_
from uuid_utils import uuid7

from worker.database.statement import instant
from worker.models import ChartPlace, LeftOut, PlayHistory, Song, StaleDay, StaleHistory, User
from worker.statistics import statements
from worker.statistics.local_time import UserDay
from worker.statistics.rollups.compute import day_rows
from worker.statistics.rollups.sums import forget_sums_of_songs


def spread_histories(connection: Connection, *, most: int, most_plays: int) -> int:
    """Mark all days of up to `most` users and songs whose history is stale. Returns how many there were.

    Takes histories that have at most `most_plays` plays together, or one history. A transaction that outlasts its task
    would be rolled back and start again for ever.
    """
    claimed = _claimed(connection, StaleHistory.charts_only.is_not(True), most)
    taken = _take(connection, _few_enough(connection, claimed, most_plays))
    # The days have been waiting since the history was marked.
    rows = [
        {"user_id": each.user_id, "song_id": each.song_id, "mark": each.mark.hex, "since": instant(each.created_at)}
        for each in taken
    ]
    if rows:
        statements.run(connection, "mark_days_of_histories", rows)
    return len(taken)


def spread_to_charts(connection: Connection, *, most: int) -> int:
    """Mark the charts of up to `most` songs that are filed under another artist or album now. Returns how many."""
    taken = _take(connection, _claimed(connection, StaleHistory.charts_only.is_(True), most))
    if taken:
        songs = {each.song_id for each in taken}
        # Their plays are in the charts of these songs.
        merged = connection.scalars(select(Song.id).where(Song.counts_as_id.in_(songs)))
        rows = [{"song_id": song_id} for song_id in sorted(songs.union(merged))]
        statements.run(connection, "mark_charts_of_songs", rows, mark=new_mark().hex)
    return len(taken)


def _claimed(connection: Connection, wanted: ColumnElement[bool], most: int) -> Sequence[Any]:
    """Stale histories that no other transaction is working on."""
    claimed = select(*StaleHistory.__table__.c).where(wanted).order_by(StaleHistory.mark).limit(most)
    return connection.execute(claimed.with_for_update(skip_locked=True)).all()


def _few_enough(connection: Connection, histories: Sequence[Any], most_plays: int) -> Sequence[Any]:
    """The first histories that have at most `most_plays` plays together, at least one history."""
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
    if songs := {each.song_id for each in histories if each.song_id is not None}:
        forget_sums_of_songs(connection, songs)
    return histories


def oldest_day(connection: Connection) -> UserDay | None:
    """The day that has been stale for longest. Costs a look at each mark."""
    row = connection.execute(select(StaleDay.user_id, StaleDay.day).order_by(StaleDay.created_at).limit(1)).first()
    return None if row is None else (row.user_id, row.day)


def stale_days(connection: Connection, *, after: UserDay, until: UserDay, most: int) -> Sequence[UserDay]:
    """Up to `most` stale days after `after`, by user and day. Each once, even if it has several marks."""
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
    """Lock the users of these days until the commit and clear the days' marks. Skips users that another sweep locked.

    Marks must be cleared before the plays are read: a play that commits later has a mark of its own, which stays. The
    lock does not block recorders, which only reference the user. Days of deleted users are claimed without a lock.
    """
    wanted = {user_id for user_id, _ in days}
    locked = select(User.id).where(User.id.in_(wanted)).with_for_update(key_share=True, skip_locked=True)
    ours = set(connection.scalars(locked))
    ours |= wanted - ours - set(connection.scalars(select(User.id).where(User.id.in_(wanted - ours))))
    claimed = [day for day in days if day[0] in ours]
    if claimed:
        statements.run(connection, "clear_stale_days", day_rows(claimed))
    return claimed


def mark_charts(connection: Connection, days: Iterable[date]) -> None:
    """Mark the charts for everyone of these days as stale."""
    mark = new_mark().hex
    rows = [{"day": day.isoformat(), "mark": mark} for day in set(days)]
    if rows:
        statements.run(connection, "mark_charts", rows)


def mark_all(connection: Connection, *, user_id: int | None = None) -> int:
    """Mark the history of one user, or of all users with all rollups and charts. Returns how many users."""
    users = select(User.id) if user_id is None else select(User.id).where(User.id == user_id)
    rows = [{"user_id": each, "mark": new_mark()} for each in connection.scalars(users.order_by(User.id))]
    if rows:
        connection.execute(insert(StaleHistory), rows)
    if user_id is None:
        # Rollups without a user and charts without a day are computed again too, and thereby deleted.
        statements.run(connection, "mark_days_without_user", mark=new_mark().hex)
        mark_charts(connection, connection.scalars(select(ChartPlace.starts_on).distinct()))
    return len(rows)


def is_anything_left_out(connection: Connection) -> bool:
    """Whether any user leaves out a song or an artist. Nobody begins to until the transaction ends.

    Who begins later marks a history that is computed after this transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE left_out IN SHARE MODE")
    return connection.execute(select(LeftOut.user_id).limit(1)).first() is not None


def new_mark() -> UUID:
    return UUID(bytes=uuid7().bytes)
