"""The songs that a user listened to for the first time in a span, from which all questions about discoveries follow."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Select, Subquery, func, select, union_all

from worker.statistics.periods import ONE_DAY, Span
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject
from worker.statistics.sql import grouped, total


class FirstHeard(NamedTuple):
    """A song with its first listen ever in the span: the days of the first and of the latest listen, and how many."""

    song_id: int
    first: date
    last: date
    listens: int


def first_heard(listening: UserListening, span: Span) -> Sequence[FirstHeard]:
    """The songs of a span that the user had not listened to before, by no order.

    Costs a look at each song of each day of the span, and at the songs of all sums and days before it.
    """
    parts = [_listens(rows) for rows in listening.rollups(span.first, span.last).songs]
    song = grouped(parts, _songs).subquery()
    new = select(song)
    if span.first > date.min:
        before = _heard_before(listening, span.first - ONE_DAY)
        new = new.where(~select(before).where(before.c.song_id == song.c.song_id).exists())
    return [FirstHeard(*row) for row in listening.connection.execute(new)]


def _heard_before(listening: UserListening, last: date) -> Subquery:
    summed, rest = listening.rollups(date.min, last).filed(Subject.SONG)
    songs = [(part, part.c.named_song_id) for part in summed] + [(part, part.c.song_id) for part in rest]
    return union_all(*(select(song.label("song_id")).where(part.c.listens > 0) for part, song in songs)).subquery()


def _listens(rows: Subquery) -> Subquery:
    columns = (rows.c.song_id, rows.c.day.label("first"), rows.c.day.label("last"), rows.c.listens)
    return select(*columns).where(rows.c.listens > 0).subquery()


def _songs(rows: Subquery) -> Select[*tuple[Any, ...]]:
    first, last = func.min(rows.c.first).label("first"), func.max(rows.c.last).label("last")
    return select(rows.c.song_id, first, last, total(rows.c.listens).label("listens")).group_by(rows.c.song_id)
