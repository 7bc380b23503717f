"""Bring the rollups up to date with the plays: one sweep over what is stale, in bounded transactions."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sqlalchemy import Connection, Engine

from worker.database.engine import transaction, without_statement_timeout
from worker.errors import DatabaseUnavailableError
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import UserDay
from worker.statistics.periods import ONE_DAY
from worker.statistics.rollups.compute import compute_days
from worker.statistics.rollups.filing import file_songs
from worker.statistics.rollups.marks import (
    claim,
    mark_charts,
    oldest_day,
    spread_histories,
    spread_to_charts,
    stale_days,
)
from worker.statistics.rollups.sums import sum_up, users_to_sum

logger = logging.getLogger(__name__)

_SONGS_AT_ONCE: Final = 1_000
_HISTORIES_AT_ONCE: Final = 200
# About a second of work.
_PLAYS_AT_ONCE: Final = 200_000
# At twenty plays a day, as many plays as a few batches of the recorder.
_DAYS_AT_ONCE: Final = 2_000
_BEFORE_ALL: Final = (0, date.min)
_AFTER_ALL: Final = (2**63 - 1, date.max)


@dataclass
class Refreshed:
    """What a sweep has done, and for whom. `finished` is false if its time ran out before it had seen every mark."""

    days: int = 0
    histories: int = 0
    finished: bool = False
    users: set[int] = field(default_factory=set)

    def __str__(self) -> str:
        rest = "" if self.finished else "; more is waiting"
        return f"computed {self.days:,} days, after changes to {self.histories:,} users and songs{rest}"


def refresh(
    engine: Engine,
    rule: ListenRule,
    *,
    budget_s: float = float("inf"),
    days_at_once: int = _DAYS_AT_ONCE,
    progress: Callable[[Refreshed], object] = lambda _: None,
) -> Refreshed:
    """Compute every stale day again. Calls `progress` after each transaction.

    Any number of sweeps may run at once: each skips the users that another has locked. A transaction that is killed
    leaves its days stale. Sweeps do not block writers, and plays that are committed meanwhile stay marked.
    """
    deadline = time.monotonic() + budget_s
    done = Refreshed()
    for _ in _steps(without_statement_timeout(engine), rule, done, days_at_once):
        progress(done)
        if time.monotonic() >= deadline:
            break
    else:
        done.finished = True
    if done.days or done.histories:
        logger.info("%s", done)
    return done


def _steps(engine: Engine, rule: ListenRule, done: Refreshed, days_at_once: int) -> Iterator[None]:
    """Run one transaction after another, in the order in which each creates work for the next."""
    while _file(engine):
        yield
    while _commit(engine, lambda connection: spread_to_charts(connection, most=_SONGS_AT_ONCE)):
        yield
    while histories := _commit(engine, _spread):
        done.histories += histories
        yield
    # If a sweep has no time for all days, the next one starts with the oldest, so that no day waits for ever.
    oldest = _oldest(engine)
    for bounds in ((oldest, _AFTER_ALL), (_BEFORE_ALL, oldest)):
        yield from _days_between(bounds, engine, rule, done, days_at_once)
    yield from _sum_up(engine, done.users)


def _file(engine: Engine) -> int:
    """File some songs; none while other transactions write songs for long."""
    try:
        return _commit(engine, lambda connection: file_songs(connection, most=_SONGS_AT_ONCE))
    except DatabaseUnavailableError as error:
        if not error.is_locked:
            raise
        logger.info("other transactions write songs: the next sweep files what is new")
        return 0


def _spread(connection: Connection) -> int:
    return spread_histories(connection, most=_HISTORIES_AT_ONCE, most_plays=_PLAYS_AT_ONCE)


def _oldest(engine: Engine) -> UserDay:
    """The day before the one that has been stale for longest."""
    with transaction(engine) as session:
        user_id, day = oldest_day(session.connection()) or _BEFORE_ALL
    return user_id, max(day, date.min + ONE_DAY) - ONE_DAY


def _days_between(
    bounds: tuple[UserDay, UserDay], engine: Engine, rule: ListenRule, done: Refreshed, days_at_once: int
) -> Iterator[None]:
    after, until = bounds
    while True:
        with transaction(engine) as session:
            days = stale_days(session.connection(), after=after, until=until, most=days_at_once)
            claimed = claim(session.connection(), days)
            if claimed:
                joined = compute_days(session.connection(), claimed, rule)
                mark_charts(session.connection(), (day for _, day in (*claimed, *joined)))
        if not days:
            return
        after = days[-1]
        done.days += len(claimed)
        done.users.update(user_id for user_id, _ in claimed)
        yield


def _sum_up(engine: Engine, users: Collection[int]) -> Iterator[None]:
    """Sum up the histories of those users who have a long one."""
    with transaction(engine) as session:
        long = users_to_sum(session.connection(), users)
    for user_id in long:
        yield from sum_up(engine, user_id)


def _commit(engine: Engine, work: Callable[[Connection], int]) -> int:
    with transaction(engine) as session:
        return work(session.connection())
