"""Sum up long histories, so that an answer about years need not read each day: sums are computed, never added to."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, select, tuple_

from worker.database.engine import transaction
from worker.database.locks import AdvisoryLock, take
from worker.models import DaySum, Song, SongDay, SubjectSum, SummedStretch, User
from worker.statistics import statements
from worker.statistics.periods import ONE_DAY, Period, span

# So many rows of a history are read in some ten milliseconds. Who has fewer gets no sums.
WORTH_SUMMING: Final = 10_000
# Late plays are mostly some days late. Each of a summed day forgets all sums.
_LATE: Final = 7 * ONE_DAY
_USERS_AT_ONCE: Final = 1_000


def forget_sums_of_songs(connection: Connection, songs: Collection[int]) -> None:
    """Forget the sums that do not hold any more once these songs are filed elsewhere.

    Waits for those who sum up, because they may have read the songs as they were.
    """
    take(connection, AdvisoryLock.SUM_UP)
    # Tracks of a merged song count for the song that it is merged into.
    counting = connection.scalars(select(func.coalesce(Song.counts_as_id, Song.id)).where(Song.id.in_(songs)))
    rows = [{"song_id": song_id} for song_id in sorted({*songs, *counting})]
    statements.run(connection, "forget_sums_of_songs", rows)


def users_to_sum(connection: Connection, users: Collection[int]) -> list[int]:
    """Those of some users who have many days without sums. Costs a look at `WORTH_SUMMING` index entries of each."""
    found: list[int] = []
    wanted = sorted(users)
    for start in range(0, len(wanted), _USERS_AT_ONCE):
        rows = [{"user_id": user_id} for user_id in wanted[start : start + _USERS_AT_ONCE]]
        parameters: dict[str, Any] = {"first": date.min, "most": WORTH_SUMMING}
        found += [user_id for (user_id,) in statements.run(connection, "users_to_sum", rows, **parameters)]
    return found


def sum_up(engine: Engine, user_id: int) -> Iterator[None]:
    """Sum up a user's history: each year, then all of it, without its last days. Each in a transaction of its own.

    Costs two looks at each row of their `song_days`. All time comes last: its sums say how far all are.
    """
    with transaction(engine) as session:
        wanted = [*_stretches(*_ends(session.connection(), user_id))]
        stored = select(SummedStretch.first_day, SummedStretch.last_day).where(SummedStretch.user_id == user_id)
        kept = {(first, last) for first, last in session.execute(stored)}.intersection(wanted[:-1])
        for table in (SummedStretch, SubjectSum, DaySum):
            of_user = delete(table).where(table.user_id == user_id)
            session.execute(of_user.where(tuple_(table.first_day, table.last_day).not_in(kept)) if kept else of_user)
    for first, last in wanted:
        if (first, last) not in kept:
            with transaction(engine) as session:
                _sum_stretch(session.connection(), user_id, first, last)
        yield


def _sum_stretch(connection: Connection, user_id: int, first: date, last: date) -> None:
    """Locks the user, so that no sweep computes a day meanwhile. Does nothing if one does, or if the sums are there."""
    of_user = select(User.id).where(User.id == user_id)
    if connection.scalar(of_user.with_for_update(key_share=True, skip_locked=True)) is None:
        return
    take(connection, AdvisoryLock.SUM_UP)
    key = {"user_id": user_id, "first_day": first, "last_day": last}
    if connection.scalar(select(SummedStretch.user_id).filter_by(**key)) is not None:
        return
    for table in (SubjectSum, DaySum):
        connection.execute(delete(table).filter_by(**key))
    row = {"user_id": user_id, "first_day": first.isoformat(), "last_day": last.isoformat()}
    statements.run(connection, "sum_stretches", [row])


def _ends(connection: Connection, user_id: int) -> Sequence[date | None]:
    """The first and the last day with a row."""
    ends = select(func.min(SongDay.day), func.max(SongDay.day)).where(SongDay.user_id == user_id)
    return connection.execute(ends).one()


def _stretches(first: date | None, latest: date | None) -> Iterator[tuple[date, date]]:
    """Each year up to some days before the latest, and all time until then."""
    if first is not None and latest is not None and first <= (last := latest - _LATE):
        for year in range(first.year, last.year + 1):
            whole = span(Period.YEAR, date(year, 1, 1))
            yield whole.first, min(whole.last, last)
        yield date.min, last
