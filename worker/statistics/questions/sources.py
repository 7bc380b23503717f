"""Whose listening a question is about, read from the rollups and, for days that wait for a sweep, from the plays."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any, ClassVar, Final, Literal, TypeVar

from sqlalchemy import Connection, Select, Subquery, and_, select, union_all

from worker.models import DaySum, ListeningHour, SongDay, SubjectSum
from worker.statistics.listen_rule import ListenRule
from worker.statistics.questions.backlog import Backlog
from worker.statistics.rollups.compute import (
    ComputedDays,
    Rollup,
    columns_of,
    computed_rows,
    joined_days,
    names_of,
)
from worker.statistics.rollups.pending import Days, Pending, pending_of
from worker.statistics.sql import within

Result = TypeVar("Result")
SumTable = type[DaySum] | type[SubjectSum]

# Days that wait for a sweep: mostly today, three of them where plays have no offset. So many are computed once for all
# statements of a snapshot; more, such as those of an import, stay in the database.
FEW: Final = 7
_SUMS: Final = ("plays", "listens", "ms_played")
_COLUMNS: Final[Mapping[SumTable, Sequence[str]]] = {
    DaySum: ("user_id", "day", *_SUMS),
    SubjectSum: ("filed_under", "named_song_id", "named_track_id", "user_id", "day", *_SUMS),
}


@dataclass(frozen=True)
class RollupRows:
    """The rows of all rollups for some days: the stored rows, and those that a sweep is still to write.

    `parts_of` gives the rows of a rollup by day. `sums_of` gives those of a table of sums, in place of many days, and
    `rest_of` the rows of the days that these leave out.
    """

    parts_of: Callable[[Rollup], Sequence[Subquery]]
    rest_of: Callable[[Rollup], Sequence[Subquery]]
    sums_of: Callable[[SumTable], Sequence[Select[*tuple[Any, ...]]]] = lambda _: ()

    @property
    def hours(self) -> Subquery:
        """Rows with the columns of `ListeningHour`. If all users are covered, an hour of a user may have several."""
        return union_all(*map(select, self.parts_of(ListeningHour))).subquery()

    @property
    def days(self) -> Subquery:
        """Rows of `user_id`, `day`, `plays`, `listens` and `ms_played`. A day may have several."""
        names = ("user_id", "day", "plays", "listens", "ms_played")
        hours = (select(*(part.c[name] for name in names)) for part in self.rest_of(ListeningHour))
        return union_all(*self.sums_of(DaySum), *hours).subquery()

    @property
    def songs(self) -> Sequence[Subquery]:
        """Parts of rows with the columns of `SongDay`. Group each part by itself, see `sql.grouped`.

        A user's day is in one part only, but a song may be in two. If all users are covered, a user's song may have
        several rows for a day.
        """
        return self.parts_of(SongDay)

    def filed(self, subject: str) -> tuple[Sequence[Subquery], Sequence[Subquery]]:
        """Parts of sums that are filed under a song, artist or album already, and parts of `songs` to be added.

        Rows of sums have no track, and stand for many days: `day` is the latest with a listen.
        """
        sums = self.sums_of(SubjectSum)
        if not sums:
            return (), self.songs
        return [part.where(SubjectSum.subject == subject).subquery() for part in sums], self.rest_of(SongDay)


@dataclass(frozen=True)
class RollupsOnly:
    """All users' listening as the stored rollups have it. Charts are drawn from it."""

    covers_everyone: ClassVar[Literal[True]] = True

    connection: Connection

    def rollups(self, first: date, last: date) -> RollupRows:
        """The rows from the local day `first` to `last`, both included."""
        return _by_day(lambda rollup: [_stored(rollup, first, last).subquery()])


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

        return _by_day(parts_of)


@dataclass(frozen=True)
class UserListening:
    """One user's listening as it is now, even if no sweep has run yet.

    Days that wait for a sweep are computed for the question, by the SQL that a sweep uses; a few of them once for all
    questions. Pass the connection of a snapshot, so that rollups and plays are read at one moment. `rule` must be the
    rule of the rollups.
    """

    covers_everyone: ClassVar[Literal[False]] = False

    connection: Connection
    user_id: int
    rule: ListenRule

    def rollups(self, first: date, last: date) -> RollupRows:
        """The rows from the local day `first` to `last`, both included."""
        waiting = self._waiting_days(first, last)
        summed, rest = cover(self._pending.stretches, (first, last), waiting)

        @cache
        def computed(rollup: Rollup) -> Subquery:
            if self._few is not None:
                return self._few.rows(self.connection, rollup, first, last)
            return computed_rows(self.connection, rollup, self.user_id, waiting, self.rule)

        def rows_of(rollup: Rollup, spans: Sequence[Days]) -> Sequence[Subquery]:
            stored = [self._stored(rollup, span, waiting).subquery() for span in spans]
            return [*stored, computed(rollup)] if waiting else stored

        def sums_of(table: SumTable) -> Sequence[Select[*tuple[Any, ...]]]:
            if table is SubjectSum and self._pending.is_filing:
                return ()
            return [_sums(table, self.user_id, stretch) for stretch in summed]

        return RollupRows(
            parts_of=lambda rollup: rows_of(rollup, [(first, last)]),
            rest_of=lambda rollup: rows_of(rollup, rest),
            sums_of=sums_of,
        )

    def once(self, question: Hashable, ask: Callable[[], Result]) -> Result:
        """What `ask` answers, asked once: in a snapshot the answer stays the same."""
        if question not in self._answers:
            self._answers[question] = ask()
        answer: Result = self._answers[question]
        return answer

    @cached_property
    def _answers(self) -> dict[Hashable, Any]:
        return {}

    def _stored(self, rollup: Rollup, span: Days, waiting: Sequence[date]) -> Select[*tuple[Any, ...]]:
        stored = _stored(rollup, *span).where(rollup.user_id == self.user_id)
        return stored.where(rollup.day.not_in(waiting)) if waiting else stored

    @cached_property
    def _pending(self) -> Pending:
        return pending_of(self.connection, self.user_id)

    @cached_property
    def _few(self) -> ComputedDays | None:
        days = self._pending.days
        return ComputedDays.of(self.connection, self.user_id, days, self.rule) if 0 < len(days) <= FEW else None

    def _waiting_days(self, first: date, last: date) -> Sequence[date]:
        """Days that wait for a sweep, or that are joined to one: a run of plays may go on into the next day."""
        earliest, latest = _day_after(first, -1), _day_after(last, 1)
        around = [day for day in self._pending.days if earliest <= day <= latest]
        if not around:
            return []
        if self._few is not None:
            return [day for day in self._few.days if first <= day <= last]
        joined = joined_days(self.connection, self.user_id, around, self.rule)
        return sorted(day for day in {*around, *joined} if first <= day <= last)


def cover(stretches: Sequence[Days], wanted: Days, waiting: Sequence[date]) -> tuple[Sequence[Days], Sequence[Days]]:
    """The summed stretches to read for the days `wanted`, and the days that they leave over.

    A stretch with a day that waits cannot be read. Of two that overlap, the longer one is.
    """
    first, last = wanted
    usable = [
        (since, until)
        for since, until in stretches
        if first <= since and until <= last and not any(since <= day <= until for day in waiting)
    ]
    chosen: list[Days] = []
    for since, until in sorted(usable, key=lambda days: days[0] - days[1]):
        if all(until < other_first or other_last < since for other_first, other_last in chosen):
            chosen.append((since, until))
    rest, next_day = [], first
    for since, until in sorted(chosen):
        if next_day < since:
            rest.append((next_day, _day_after(since, -1)))
        next_day = _day_after(until, 1)
    if next_day <= last:
        rest.append((next_day, last))
    return chosen, rest


def _by_day(parts_of: Callable[[Rollup], Sequence[Subquery]]) -> RollupRows:
    return RollupRows(parts_of, parts_of)


def _sums(table: SumTable, user_id: int, stretch: Days) -> Select[*tuple[Any, ...]]:
    columns = [table.__table__.c[name] for name in _COLUMNS[table]]
    first, last = stretch
    return select(*columns).where(table.user_id == user_id, table.first_day == first, table.last_day == last)


def _day_after(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def _stored(rollup: Rollup, first: date, last: date) -> Select[*tuple[Any, ...]]:
    return select(*columns_of(rollup)).where(within(rollup.day, first, last))


Listening = GlobalListening | UserListening
