"""What a user heard of each artist in each month or day of a span, from one look at its days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Double, Select, Subquery, case, cast, extract, func, select

from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Filed, Subject, filed
from worker.statistics.sql import grouped

_SHORT: Final = frozenset({Period.DAY, Period.WEEK, Period.MONTH})
_MONTHS: Final = 12
_Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class ArtistPart:
    """An artist in the part that begins on `starts_on`. `first` and `last` are its days with a listen of the artist."""

    artist: Filed
    starts_on: date
    plays: int
    listens: int
    ms_played: int
    first: date
    last: date


def artist_parts(listening: UserListening, wanted: Span) -> Sequence[ArtistPart]:
    """The artists with a listen of each month of a span, or of each day if it is a month or shorter, by no order.

    Costs a look at each track of each day of the span.
    """
    by_day = wanted.period in _SHORT
    parts = [_heard(rows, by_day=by_day) for rows in listening.rollups(wanted.first, wanted.last).songs]
    rows = listening.connection.execute(grouped(parts, _summed)).all()
    return [
        ArtistPart(
            Filed(*artist), first if by_day else span(Period.MONTH, first).first, plays, listens, int(ms), first, last
        )
        for *artist, _, plays, listens, ms, first, last in rows
        if listens
    ]


def _heard(rows: Subquery, *, by_day: bool) -> Subquery:
    each = filed(rows, Subject.ARTIST).subquery().c
    heard_on = case((each.listens > 0, each.day))
    return select(
        *(each[name] for name in Filed._fields),
        (each.day if by_day else month_of(each.day)).label("part"),
        *(each[name] for name in ("plays", "listens", "ms_played")),
        heard_on.label("first"),
        heard_on.label("last"),
    ).subquery()


def month_of(day: ColumnElement[date]) -> ColumnElement[int]:
    """The month of a day, as the number of months since the year 0."""
    return cast(extract("year", day) * _MONTHS + extract("month", day), BigInteger)


def _summed(rows: Subquery) -> _Rows:
    key = (rows.c.filed_under, rows.c.part)
    return select(
        rows.c.filed_under,
        func.min(rows.c.named_song_id).label("named_song_id"),
        func.min(rows.c.named_track_id).label("named_track_id"),
        rows.c.part,
        cast(func.sum(rows.c.plays), BigInteger).label("plays"),
        cast(func.sum(rows.c.listens), BigInteger).label("listens"),
        # As in `top`: PostgreSQL's sum of bigints is numeric, which is slow.
        func.sum(cast(rows.c.ms_played, Double)).label("ms_played"),
        func.min(rows.c.first).label("first"),
        func.max(rows.c.last).label("last"),
    ).group_by(*key)
