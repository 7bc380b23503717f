"""Sum up long histories, so that an answer about years need not read each day: sums are computed, never added to."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select

from worker.database.locks import AdvisoryLock, take
from worker.models import DaySum, SongDay, SubjectSum, SummedStretch, TrackSum, User
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
    statements.run(connection, "forget_sums_of_songs", [{"song_id": song_id} for song_id in sorted(songs)])


def users_to_sum(connection: Connection, users: Collection[int]) -> list[int]:
    """Those of some users who have many days without sums. Costs a look at `WORTH_SUMMING` index entries of each."""
    found: list[int] = []
    wanted = sorted(users)
    for start in range(0, len(wanted), _USERS_AT_ONCE):
        rows = [{"user_id": user_id} for user_id in wanted[start : start + _USERS_AT_ONCE]]
        parameters: dict[str, Any] = {"first": date.min, "most": WORTH_SUMMING}
        found += [user_id for (user_id,) in statements.run(connection, "users_to_sum", rows, **parameters)]
    return found


def sum_up(connection: Connection, user_id: int) -> None:
    """Sum up a user's history, all of it and each year, without its last days. Costs two looks at each day of a track.

    Locks the user, so that no sweep computes a day meanwhile. Does nothing if one is about to.
    """
    locked = select(User.id).where(User.id == user_id).with_for_update(key_share=True, skip_locked=True)
    ends = select(func.min(SongDay.day), func.max(SongDay.day)).where(SongDay.user_id == user_id)
    if connection.scalar(locked) is None:
        return
    take(connection, AdvisoryLock.SUM_UP)
    for table in (SummedStretch, TrackSum, SubjectSum, DaySum):
        connection.execute(delete(table).where(table.user_id == user_id))
    first, last = connection.execute(ends).one()
    rows = [
        {"user_id": user_id, "first_day": since.isoformat(), "last_day": until.isoformat()}
        for since, until in _stretches(first, last)
    ]
    if rows:
        statements.run(connection, "sum_stretches", rows)


def _stretches(first: date | None, latest: date | None) -> Iterator[tuple[date, date]]:
    """All time up to some days before the latest, and each year until then."""
    if first is not None and latest is not None and first <= (last := latest - _LATE):
        yield date.min, last
        for year in range(first.year, last.year + 1):
            whole = span(Period.YEAR, date(year, 1, 1))
            yield whole.first, min(whole.last, last)
