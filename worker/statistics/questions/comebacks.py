"""Comebacks: artists and songs that a user had not heard for half a year, and then often."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Date, Select, Subquery, func, literal, select

from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject, filed, named
from worker.statistics.sql import days_between, grouped, total

AWAY_DAYS: Final = 180
OFTEN: Final = 10
_NAMES: Final = ("named_song_id", "named_track_id")


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
    Costs a look at each track of each day of the user's history up to the span's end.
    """
    return _comebacks(listening, span, Subject.ARTIST, most)


def song_comebacks(listening: UserListening, span: Span, *, most: int) -> Sequence[Comeback]:
    """The songs that came back, as `artist_comebacks`."""
    return _comebacks(listening, span, Subject.SONG, most)


def _listens(rows: Subquery, subject: Subject) -> Subquery:
    columns = (rows.c.song_id, rows.c.track_id, rows.c.day, rows.c.listens)
    return filed(select(*columns).where(rows.c.listens > 0).subquery(), subject).subquery()


def _days(rows: Subquery) -> Select[*tuple[Any, ...]]:
    """The days of each subject."""
    names = (func.min(rows.c[name]).label(name) for name in _NAMES)
    key = (rows.c.filed_under, rows.c.day)
    return select(*key, *names, total(rows.c.listens).label("listens")).group_by(*key)


def _comebacks(listening: UserListening, span: Span, subject: Subject, most: int) -> Sequence[Comeback]:
    parts = [_listens(rows, subject) for rows in listening.rollups(date.min, span.last).songs]
    day = grouped(parts, _days).subquery().c
    before = func.lag(day.day, type_=Date).over(partition_by=day.filed_under, order_by=day.day)
    since = func.sum(day.listens).over(partition_by=day.filed_under, order_by=day.day.desc())
    names = (func.min(day[name]).over(partition_by=day.filed_under).label(name) for name in _NAMES)
    heard = select(day.filed_under, day.day, before.label("before"), since.label("since"), *names).subquery().c
    number = func.row_number().over(partition_by=heard.filed_under, order_by=heard.day).label("number")
    back = (
        select(*heard, number)
        .where(heard.day >= span.first, days_between(heard.before, heard.day) >= literal(AWAY_DAYS))
        .subquery()
    )
    first = (
        select(back)
        .where(back.c.number == 1, back.c.since >= OFTEN)
        .order_by(back.c.since.desc(), back.c.before, back.c.filed_under)
        .limit(most)
        .subquery()
    )
    order = (first.c.since.desc(), first.c.before, first.c.filed_under)
    found = named(first, subject).add_columns(first.c.before, first.c.day, first.c.since).order_by(*order)
    return [
        Comeback(artist, title, away_since, back_on, int(listens))
        for artist, title, _, away_since, back_on, listens in listening.connection.execute(found)
    ]
