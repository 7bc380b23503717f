"""Whose listening a question is about, read from the rollups and, for days that wait for a sweep, from the plays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal

from sqlalchemy import Connection, Select, Subquery, and_, select, union_all

from worker.models import ListeningHour, SongDay
from worker.statistics.listen_rule import ListenRule
from worker.statistics.questions.backlog import Backlog
from worker.statistics.rollups.compute import Rollup, columns_of, computed_rows, joined_days, names_of
from worker.statistics.rollups.pending import waiting_days
from worker.statistics.sql import within


@dataclass(frozen=True)
class RollupRows:
    """The rows of both rollups for some days: the stored rows, and those that a sweep is still to write."""

    parts_of: Callable[[Rollup], Sequence[Subquery]]

    @property
    def hours(self) -> Subquery:
        """Rows with the columns of `ListeningHour`. If all users are covered, an hour of a user may have several."""
        return union_all(*map(select, self.parts_of(ListeningHour))).subquery()

    @property
    def songs(self) -> Sequence[Subquery]:
        """Parts of rows with the columns of `SongDay`. Group each part by itself, see `sql.grouped`.

        A user's day is in one part only, but a song may be in two. If all users are covered, a user's song may have
        several rows for a day.
        """
        return self.parts_of(SongDay)


@dataclass(frozen=True)
class RollupsOnly:
    """All users' listening as the stored rollups have it. Charts are drawn from it."""

    covers_everyone: ClassVar[Literal[True]] = True

    connection: Connection

    def rollups(self, first: date, last: date) -> RollupRows:
        """The rows from the local day `first` to `last`, both included."""
        return RollupRows(lambda rollup: [_stored(rollup, first, last).subquery()])


@dataclass(frozen=True)
class GlobalListening:
    """All users' listening as it is now, even if no sweep has run yet.

    Costs a look at each play of the days that wait for a sweep, in addition to the rollups. Pass the connection of a
    snapshot, so that rollups and plays are read at one moment. `rule` must be the rule of the rollups.
    """

    covers_everyone: ClassVar[Literal[True]] = True

    connection: Connection
    rule: ListenRule

    def rollups(self, first: date, last: date) -> RollupRows:
        """The rows from the local day `first` to `last`, both included."""
        backlog = Backlog.of(self.connection, first, last, self.rule)
        if backlog is None:
            return RollupsOnly(self.connection).rollups(first, last)

        def parts_of(rollup: Rollup) -> Sequence[Subquery]:
            waiting = backlog.days.c
            waits = and_(waiting.user_id == rollup.user_id, waiting.day == rollup.day)
            stored = _stored(rollup, first, last).outerjoin(backlog.days, waits).where(waiting.day.is_(None))
            return [stored.subquery(), select(*(backlog.plays.c[name] for name in names_of(rollup))).subquery()]

        return RollupRows(parts_of)


@dataclass(frozen=True)
class UserListening:
    """One user's listening as it is now, even if no sweep has run yet.

    Days that wait for a sweep are computed for the question, by the SQL that a sweep uses. Pass the connection of a
    snapshot, so that rollups and plays are read at one moment. `rule` must be the rule of the rollups.
    """

    covers_everyone: ClassVar[Literal[False]] = False

    connection: Connection
    user_id: int
    rule: ListenRule

    def rollups(self, first: date, last: date) -> RollupRows:
        """The rows from the local day `first` to `last`, both included."""
        waiting = self._waiting_days(first, last)

        def parts_of(rollup: Rollup) -> Sequence[Subquery]:
            stored = _stored(rollup, first, last).where(rollup.user_id == self.user_id)
            if not waiting:
                return [stored.subquery()]
            computed = computed_rows(self.connection, rollup, self.user_id, waiting, self.rule)
            return [stored.where(rollup.day.not_in(waiting)).subquery(), computed]

        return RollupRows(parts_of)

    def _waiting_days(self, first: date, last: date) -> Sequence[date]:
        """Days that wait for a sweep, or that are joined to one: a run of plays may go on into the next day."""
        around = waiting_days(self.connection, self.user_id, _day_after(first, -1), _day_after(last, 1))
        if not around:
            return []
        joined = joined_days(self.connection, self.user_id, around, self.rule)
        return sorted(day for day in {*around, *joined} if first <= day <= last)


def _day_after(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def _stored(rollup: Rollup, first: date, last: date) -> Select[*tuple[Any, ...]]:
    return select(*columns_of(rollup)).where(within(rollup.day, first, last))


Listening = GlobalListening | UserListening
