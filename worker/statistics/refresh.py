"""Bring the rollups up to date with the history: one sweep over what is stale, in bounded transactions."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection, Engine

from worker.database import patient, transaction
from worker.statistics.catalogue import file_songs
from worker.statistics.listen_rule import ListenRule
from worker.statistics.local_time import UserDay
from worker.statistics.rollups import compute_days
from worker.statistics.stale import claim, mark_charts, spread_histories, stale_days

logger = logging.getLogger(__name__)

_SONGS_AT_ONCE: Final = 1_000
_HISTORIES_AT_ONCE: Final = 20
# Twenty plays a day, times this: about as much as a batch of the recorder.
_DAYS_AT_ONCE: Final = 500
_BEFORE_ALL: Final = (0, date.min)


@dataclass
class Refreshed:
    """What a sweep has done. `finished` is false when its time was up before everything stale was seen."""

    days: int = 0
    histories: int = 0
    finished: bool = False


def refresh(
    engine: Engine,
    rule: ListenRule,
    *,
    budget_s: float = float("inf"),
    days_at_once: int = _DAYS_AT_ONCE,
    monotonic: Callable[[], float] = time.monotonic,
) -> Refreshed:
    """Compute every day anew that is stale when the sweep comes to it.

    Any number may run at once: each works on users whom no other is working on. Killed midway, a transaction leaves
    its days as stale as they were. Writers are not held up, and what they commit meanwhile stays marked.
    """
    deadline = monotonic() + budget_s
    done = Refreshed()
    _until_none_is_left(engine, lambda connection: file_songs(connection, most=_SONGS_AT_ONCE))
    done.histories = _until_none_is_left(
        engine, lambda connection: spread_histories(connection, most=_HISTORIES_AT_ONCE)
    )
    after: UserDay = _BEFORE_ALL
    while monotonic() < deadline:
        with transaction(engine) as session:
            connection = patient(session.connection())
            days = stale_days(connection, after=after, most=days_at_once)
            claimed = claim(connection, days)
            if claimed:
                compute_days(connection, claimed, rule)
                mark_charts(connection, (day for _, day in claimed))
        if not days:
            done.finished = True
            break
        after = days[-1]
        done.days += len(claimed)
        logger.info("computed %d days", len(claimed))
    return done


def _until_none_is_left(engine: Engine, work: Callable[[Connection], int]) -> int:
    total = 0
    while True:
        with transaction(engine) as session:
            count = work(patient(session.connection()))
        if not count:
            return total
        total += count
