"""Discoveries: songs that a user listened to for the first time."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from worker.models import Song
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.first_heard import FirstHeard, first_heard
from worker.statistics.questions.listens import listens_of
from worker.statistics.questions.sources import UserListening


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


def discoveries(
    listening: UserListening, wanted: Span, *, most: int, found: Sequence[FirstHeard] | None = None
) -> Sequence[Discovery]:
    """The latest `most` discoveries of a span, newest first, within a day by the time of the listen.

    Costs as much as `first_heard`, unless the answer of the span is passed as `found`; and a look at each play of the
    days of the answer.
    """
    latest = _latest(first_heard(listening, wanted) if found is None else found, most)
    if not latest:
        return []
    listen = listens_of(listening, sorted({day for day, _ in latest})).c
    began = (
        select(listen.day, listen.song_id, func.min(listen.played_at).label("began_at"))
        .group_by(listen.day, listen.song_id)
        .subquery()
    )
    rows = listening.connection.execute(
        select(began.c.day, began.c.song_id, Song.artist, Song.title)
        .join(Song, Song.id == began.c.song_id)
        .order_by(began.c.day.desc(), began.c.began_at.desc(), Song.artist, Song.title)
    )
    return [Discovery(day, *names) for day, song_id, *names in rows if (day, song_id) in latest][:most]


def _latest(found: Sequence[FirstHeard], most: int) -> Collection[tuple[date, int]]:
    """Days and songs of the latest `most` discoveries, and of all others of the last of these days.

    Only the plays say which of that day are the latest.
    """
    newest_first = sorted(((song.first, song.song_id) for song in found), reverse=True)
    last_days = newest_first[most - 1 : most] if most else []
    since = last_days[0][0] if last_days else date.min
    return {(day, song_id) for day, song_id in newest_first if day >= since} if most else set()


def count_discoveries(
    listening: UserListening, period: Period, wanted: Span, *, found: Sequence[FirstHeard] | None = None
) -> Sequence[DiscoveryCount]:
    """How many songs were discovered in each day, week, month or year of a span, in order. Skips periods without any.

    Costs as much as `first_heard`, or nothing if the answer of the span is passed as `found`.
    """
    heard = first_heard(listening, wanted) if found is None else found
    days = Counter(song.first for song in heard)
    counts = Counter[date]()
    for day, songs in days.items():
        counts[span(period, day).first] += songs
    return [DiscoveryCount(starts_on, songs) for starts_on, songs in sorted(counts.items())]
