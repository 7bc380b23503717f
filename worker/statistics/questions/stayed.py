"""Discoveries that stayed: songs that were heard again a month after their first listen, or later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Select, Subquery, func, select

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.sources import UserListening
from worker.statistics.sql import days_between, grouped, total, within

STAY_DAYS: Final = 30


@dataclass(frozen=True)
class Stayed:
    """A discovery with its first and its latest day, and its listens up to the end of the span."""

    artist: str
    title: str
    first: date
    last: date
    listens: int


@dataclass(frozen=True)
class StayedDiscoveries:
    """How many discoveries of a span stayed, and those heard most often."""

    number: int
    songs: Sequence[Stayed]


def stayed_discoveries(listening: UserListening, span: Span, *, most: int) -> StayedDiscoveries:
    """The discoveries of a span that were heard again in it, `STAY_DAYS` later or after: the first `most` by listens.

    Costs a look at each song of each day of the user's history up to the span's end.
    """
    parts = [_listens(rows).subquery() for rows in listening.rollups(date.min, span.last).songs]
    song = grouped(parts, _songs).subquery().c
    stayed = (
        select(song.song_id, song.first, song.last, song.listens, func.count().over().label("number"))
        .where(within(song.first, span.first, span.last), days_between(song.first, song.last) >= STAY_DAYS)
        .join(Song, Song.id == song.song_id)
        .order_by(song.listens.desc(), song.first, Song.identity)
        .limit(most)
        .subquery()
    ).c
    rows = listening.connection.execute(
        select(stayed.number, Song.artist, Song.title, stayed.first, stayed.last, stayed.listens)
        .join(Song, Song.id == stayed.song_id)
        .order_by(stayed.listens.desc(), stayed.first, Song.identity)
    ).all()
    return StayedDiscoveries(rows[0].number if rows else 0, [Stayed(*row[1:]) for row in rows])


def _listens(rows: Subquery) -> Select[*tuple[Any, ...]]:
    columns = (rows.c.song_id, rows.c.day.label("first"), rows.c.day.label("last"), rows.c.listens)
    return select(*columns).where(rows.c.listens > 0)


def _songs(rows: Subquery) -> Select[*tuple[Any, ...]]:
    first, last = func.min(rows.c.first).label("first"), func.max(rows.c.last).label("last")
    return select(rows.c.song_id, first, last, total(rows.c.listens).label("listens")).group_by(rows.c.song_id)
