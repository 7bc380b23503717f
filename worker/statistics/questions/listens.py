"""Single listens in the order in which they happened, which the rollups do not have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Date, Integer, Select, Subquery, and_, func, or_, select

from worker.models import PlayHistory, Song
from worker.statistics.periods import Span
from worker.statistics.questions.sources import UserListening
from worker.statistics.rollups.compute import of_user
from worker.statistics.sql import total


@dataclass(frozen=True)
class Listen:
    """One listen. `at` is when it began, aware, with the listener's offset at that time."""

    at: datetime
    artist: str
    title: str


def listens_of(listening: UserListening, days: Sequence[date]) -> Subquery:
    """The listens of some local days, at least one: `day`, `played_at`, `offset_minutes`, `song_id`, `ms_played`.

    Costs a look at each play of the days.
    """
    statement = of_user(listening.connection, "user_listens", listening.user_id, days, listening.rule)
    return statement.columns(
        PlayHistory.played_at, PlayHistory.song_id, PlayHistory.ms_played, day=Date, offset_minutes=Integer
    ).subquery()


def listens_by_day(listening: UserListening, span: Span) -> Sequence[tuple[date, int]]:
    """The days of a span with a listen, in order, and how many. Costs a look at each hour with plays."""
    hour = listening.rollups(span.first, span.last).days.c
    listens = total(hour.listens)
    rows = listening.connection.execute(
        select(hour.day, listens).group_by(hour.day).having(listens > 0).order_by(hour.day)
    )
    return [(day, number) for day, number in rows]


def nth_listens(listening: UserListening, wanted: Sequence[tuple[date, int]]) -> Sequence[Listen]:
    """The listens of some numbers, from 0, of some days, in that order. Those of one instant are ordered by identity.

    Costs a look at each play of the days.
    """
    if not wanted:
        return []
    listens = listens_of(listening, sorted({day for day, _ in wanted}))
    order = (listens.c.played_at, Song.identity)
    number = (func.row_number().over(partition_by=listens.c.day, order_by=order) - 1).label("number")
    each = _named(listens).add_columns(listens.c.day, number).subquery()
    named = or_(*(and_(each.c.day == day, each.c.number == at) for day, at in wanted))
    found = {
        (day, at): Listen(played_at.astimezone(timezone(timedelta(minutes=offset_minutes))), artist, title)
        for played_at, offset_minutes, artist, title, day, at in listening.connection.execute(select(each).where(named))
    }
    return [found[one] for one in wanted]


def _named(listens: Subquery) -> Select[*tuple[Any, ...]]:
    columns = (listens.c.played_at, listens.c.offset_minutes, Song.artist, Song.title)
    return select(*columns).join(Song, Song.id == listens.c.song_id)
