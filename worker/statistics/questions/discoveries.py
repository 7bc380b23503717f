"""Discoveries: songs that a user listened to for the first time."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Subquery, func, select

from worker.models import Song
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.sources import UserListening
from worker.statistics.rollups.compute import first_listens
from worker.statistics.sql import grouped, within

# More than most people discover in a day.
_MORE: Final = 50


@dataclass(frozen=True)
class Discovery:
    """A song and the local day of its first listen ever. A play that is not a listen does not count."""

    day: date
    artist: str
    title: str


@dataclass(frozen=True)
class DiscoveryCount:
    """How many songs were discovered in the period that begins on `starts_on`."""

    starts_on: date
    songs: int


def discoveries(listening: UserListening, wanted: Span, *, most: int) -> Sequence[Discovery]:
    """The latest `most` discoveries of a span, newest first, within a day by the time of the listen.

    Costs a look at each song of each day of the user's whole history, because any day may hold the first listen; and at
    each play of the days of the answer.
    """
    found = _latest(listening, wanted, most)
    if not found:
        return []
    began = first_listens(listening.connection, listening.user_id, {day for day, _ in found}, listening.rule)
    rows = listening.connection.execute(
        select(began.c.day, began.c.song_id, Song.artist, Song.title)
        .join(Song, Song.id == began.c.song_id)
        .order_by(began.c.day.desc(), began.c.began_at.desc(), Song.artist, Song.title)
    )
    return [Discovery(day, *names) for day, song_id, *names in rows if (day, song_id) in found][:most]


def _latest(listening: UserListening, wanted: Span, most: int) -> Collection[tuple[date, int]]:
    """Days and songs of the latest `most` discoveries, and of all others of the last of these days.

    Only the plays say which of that day are the latest.
    """
    first = _first_listens(listening)
    newest_first = select(first).where(within(first.c.day, wanted.first, wanted.last)).order_by(first.c.day.desc())
    limit = most
    while True:
        limit += _MORE
        rows = listening.connection.execute(newest_first.limit(limit)).all()
        last_day = rows[most - 1].day if len(rows) > most else date.min
        if len(rows) < limit or rows[-1].day < last_day:
            return {(each.day, each.song_id) for each in rows if each.day >= last_day}
        limit *= 2


def count_discoveries(listening: UserListening, period: Period, wanted: Span) -> Sequence[DiscoveryCount]:
    """How many songs were discovered in each day, week, month or year of a span, in order. Skips periods without any.

    Costs as much as `discoveries`.
    """
    first = _first_listens(listening)
    rows = listening.connection.execute(
        select(first.c.day, func.count()).where(within(first.c.day, wanted.first, wanted.last)).group_by(first.c.day)
    )
    counts = Counter[date]()
    for day, songs in rows:
        counts[span(period, day).first] += songs
    return [DiscoveryCount(starts_on, songs) for starts_on, songs in sorted(counts.items())]


def _first_listens(listening: UserListening) -> Subquery:
    listens = [
        select(song.c.song_id, song.c.day).where(song.c.listens > 0).subquery()
        for song in listening.rollups(date.min, date.max).songs
    ]
    return grouped(
        listens, lambda day: select(day.c.song_id, func.min(day.c.day).label("day")).group_by(day.c.song_id)
    ).subquery()
