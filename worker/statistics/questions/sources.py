"""Whose listening a question is about, and where its numbers come from: the rollups, and the plays that these lack."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, select, union_all

from worker.models import ListeningHour, SongDay
from worker.statistics.listen_rule import ListenRule
from worker.statistics.questions.backlog import Backlog
from worker.statistics.rollups.compute import Rollup, columns_of, computed, names_of
from worker.statistics.rollups.pending import waiting_days
from worker.statistics.sql import within


@dataclass(frozen=True)
class Heard:
    """What was heard in some days, as rows of rollups: those that are stored, and those that would be."""

    parts_of: Callable[[Rollup], Sequence[Subquery]]

    @property
    def hours(self) -> Subquery:
        """Rows with the columns of `ListeningHour`. Of everyone, an hour of a user may have several."""
        return union_all(*map(select, self.parts_of(ListeningHour))).subquery()

    @property
    def songs(self) -> Sequence[Subquery]:
        """Parts of rows with the columns of `SongDay`, to be grouped each by itself, by `scope.grouped`.

        No day of a user is in two parts, but a song may be. Of everyone, a user's song may have several rows of a day.
        """
        return self.parts_of(SongDay)


@dataclass(frozen=True)
class RollupsOnly:
    """Everybody's listening as the rollups have it: what charts are drawn from, which follow what is computed."""

    connection: Connection

    def heard(self, first: date, last: date) -> Heard:
        """What was heard from the local day `first` to `last`, both included."""
        return Heard(lambda rollup: [_settled(rollup, first, last).subquery()])


@dataclass(frozen=True)
class GlobalListening:
    """Everyone's listening as it is at this moment, whether or not a sweep has run, as `UserListening` is one user's.

    Costs, beyond the rollups, a look at each play of the days that wait.
    """

    connection: Connection
    rule: ListenRule

    def heard(self, first: date, last: date) -> Heard:
        """What was heard from the local day `first` to `last`, both included."""
        unswept = Backlog.of(self.connection, first, last, self.rule)
        if unswept is None:
            return RollupsOnly(self.connection).heard(first, last)

        def parts_of(rollup: Rollup) -> Sequence[Subquery]:
            waiting = unswept.days.c
            waits = and_(waiting.user_id == rollup.user_id, waiting.day == rollup.day)
            settled = _settled(rollup, first, last).outerjoin(unswept.days, waits).where(waiting.day.is_(None))
            return [settled.subquery(), select(*(unswept.plays.c[name] for name in names_of(rollup))).subquery()]

        return Heard(parts_of)


@dataclass(frozen=True)
class UserListening:
    """One user's listening as it is at this moment, whether or not a sweep has been by.

    Days that wait to be computed are computed for the question, by the words that a sweep would use; all others are
    read from the rollups. Give it the connection of a snapshot, so that both are of the same moment. `rule` is the one
    that the rollups are computed by.
    """

    connection: Connection
    user_id: int
    rule: ListenRule

    def heard(self, first: date, last: date) -> Heard:
        """What was heard from the local day `first` to `last`, both included."""
        waiting = waiting_days(self.connection, self.user_id, first, last)

        def parts_of(rollup: Rollup) -> Sequence[Subquery]:
            settled = _settled(rollup, first, last).where(rollup.user_id == self.user_id)
            if not waiting:
                return [settled.subquery()]
            now = computed(self.connection, rollup, self.user_id, waiting, self.rule)
            return [settled.where(rollup.day.not_in(waiting)).subquery(), now]

        return Heard(parts_of)


def _settled(rollup: Rollup, first: date, last: date) -> Select[*tuple[Any, ...]]:
    return select(*columns_of(rollup)).where(within(rollup.day, first, last))


Listening = GlobalListening | UserListening
