"""Whose listening a question is about, and where its numbers come from: the rollups, and the plays that these lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, select, union_all

from worker.models import ListeningHour, SongDay
from worker.statistics.backlog import Backlog
from worker.statistics.listen_rule import ListenRule
from worker.statistics.rollups import Rollup, columns_of, computed
from worker.statistics.scope import within
from worker.statistics.waiting import waiting_days


@dataclass(frozen=True)
class Swept:
    """Everybody's listening as the rollups have it: what charts are drawn from, which follow what is computed."""

    connection: Connection

    def songs(self, first: date, last: date) -> Sequence[Subquery]:
        """Parts of rows with the columns of `SongDay`, of the days from `first` to `last`, both included."""
        return [_settled(SongDay, first, last).subquery()]


@dataclass(frozen=True)
class OfEveryone:
    """Everybody's listening as it is at this moment, whether or not a sweep has been by, as `OfUser` is somebody's.

    Costs, beyond the rollups, a look at each play of the days that wait.
    """

    connection: Connection
    rule: ListenRule

    def hours(self, first: date, last: date) -> Subquery:
        """Rows with the columns of `ListeningHour`, of the days from `first` to `last`, both included.

        An hour may have several rows.
        """
        return union_all(*map(select, self._parts(ListeningHour, first, last))).subquery()

    def songs(self, first: date, last: date) -> Sequence[Subquery]:
        """Parts of rows with the columns of `SongDay`, of the days from `first` to `last`, both included.

        A song may have several rows of one day, all in the same part.
        """
        return self._parts(SongDay, first, last)

    def _parts(self, rollup: Rollup, first: date, last: date) -> Sequence[Subquery]:
        settled = _settled(rollup, first, last)
        backlog = Backlog.of(self.connection, first, last)
        if backlog is None:
            return [settled.subquery()]
        waiting = backlog.user_days()
        waits = and_(waiting.c.user_id == rollup.user_id, waiting.c.day == rollup.day)
        computed_before = settled.outerjoin(waiting, waits).where(waiting.c.day.is_(None))
        return [computed_before.subquery(), backlog.plays(rollup, self.rule)]


@dataclass(frozen=True)
class OfUser:
    """One user's listening as it is at this moment, whether or not a sweep has been by.

    Days that wait to be computed are computed for the question, by the words that a sweep would use; all others are
    read from the rollups. Give it the connection of a snapshot, so that both are of the same moment. `rule` is the one
    that the rollups are computed by.
    """

    connection: Connection
    user_id: int
    rule: ListenRule

    def hours(self, first: date, last: date) -> Subquery:
        """Rows with the columns of `ListeningHour`, of the days from `first` to `last`, both included."""
        return union_all(*map(select, self._parts(ListeningHour, first, last))).subquery()

    def songs(self, first: date, last: date) -> Sequence[Subquery]:
        """Parts of rows with the columns of `SongDay`, of the days from `first` to `last`, both included.

        No day is in two of them, but a song may be: they are for `scope.grouped`.
        """
        return self._parts(SongDay, first, last)

    def _parts(self, rollup: Rollup, first: date, last: date) -> Sequence[Subquery]:
        settled = _settled(rollup, first, last).where(rollup.user_id == self.user_id)
        waiting = waiting_days(self.connection, self.user_id, first, last)
        if not waiting:
            return [settled.subquery()]
        now = computed(self.connection, rollup, self.user_id, waiting, self.rule)
        return [settled.where(rollup.day.not_in(waiting)).subquery(), now]


def _settled(rollup: Rollup, first: date, last: date) -> Select[*tuple[Any, ...]]:
    return select(*columns_of(rollup)).where(within(rollup.day, first, last))


Listening = OfEveryone | OfUser
