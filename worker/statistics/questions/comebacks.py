"""Comebacks: artists and songs that a user had not heard for half a year, and then often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Date, Select, Subquery, func, literal, null, select

from worker.models import Song
from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.sources import UserListening
from worker.statistics.sql import ARTIST, credited, days_between, grouped, total

AWAY_DAYS: Final = 180
OFTEN: Final = 10


@dataclass(frozen=True)
class Comeback:
    """An artist, or a song if `title` is there, last heard on `away_since` and again on `back_on`.

    `listens` are those from `back_on` to the end of the span.
    """

    artist: str
    title: str | None
    away_since: date
    back_on: date
    listens: int

    @property
    def days_away(self) -> int:
        return (self.back_on - self.away_since) // ONE_DAY


def artist_comebacks(listening: UserListening, span: Span, *, most: int) -> Sequence[Comeback]:
    """The first `most` artists by listens who came back in a span, `AWAY_DAYS` after their last listen or later.

    An artist who came back twice is there with the first time. They have at least `OFTEN` listens.
    Costs a look at each song of each day of the user's history up to the span's end.
    """
    return _comebacks(listening, span, most, _by_artist, null())


def song_comebacks(listening: UserListening, span: Span, *, most: int) -> Sequence[Comeback]:
    """The songs that came back, as `artist_comebacks`."""
    return _comebacks(listening, span, most, _by_song, Song.title)


_Rows = Select[*tuple[Any, ...]]


def _by_artist(rows: Subquery) -> _Rows:
    columns = (ARTIST.label("subject"), rows.c.song_id, rows.c.day, rows.c.listens)
    return credited(rows, *columns).where(rows.c.listens > 0)


def _by_song(rows: Subquery) -> _Rows:
    columns = (rows.c.song_id.label("subject"), rows.c.song_id, rows.c.day, rows.c.listens)
    return select(*columns).where(rows.c.listens > 0)


def _days(rows: Subquery) -> _Rows:
    """The days of each subject."""
    song = func.min(rows.c.song_id).label("song_id")
    key = (rows.c.subject, rows.c.day)
    return select(*key, song, total(rows.c.listens).label("listens")).group_by(*key)


def _comebacks(
    listening: UserListening, span: Span, most: int, by_subject: Callable[[Subquery], _Rows], title: Any
) -> Sequence[Comeback]:
    parts = [by_subject(rows).subquery() for rows in listening.rollups(date.min, span.last).songs]
    day = grouped(parts, _days).subquery().c
    before = func.lag(day.day, type_=Date).over(partition_by=day.subject, order_by=day.day)
    since = func.sum(day.listens).over(partition_by=day.subject, order_by=day.day.desc())
    heard = select(day.subject, day.song_id, day.day, before.label("before"), since.label("since")).subquery().c
    number = func.row_number().over(partition_by=heard.subject, order_by=heard.day).label("number")
    back = (
        select(heard.song_id, heard.day, heard.before, heard.since, number)
        .where(heard.day >= span.first, days_between(heard.before, heard.day) >= literal(AWAY_DAYS))
        .subquery()
    )
    first = (
        select(back)
        .where(back.c.number == 1, back.c.since >= OFTEN)
        .order_by(back.c.since.desc(), back.c.before, back.c.song_id)
        .limit(most)
        .subquery()
    ).c
    rows = listening.connection.execute(
        select(Song.artist, title, first.before, first.day, first.since)
        .join(Song, Song.id == first.song_id)
        .order_by(first.since.desc(), first.before, first.song_id)
    )
    return [Comeback(artist, name, away, back_on, int(listens)) for artist, name, away, back_on, listens in rows]
