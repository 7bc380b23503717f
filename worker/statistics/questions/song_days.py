"""The days of one song."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Subquery, func, select

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.days import Day
from worker.statistics.questions.sources import Listening
from worker.statistics.sql import grouped, total


def days_of_song(listening: Listening, artist: str, title: str, span: Span) -> Sequence[Day]:
    """The days of a span on which a song was played, in order. Names are compared as the event contract says.

    Includes the plays of all songs that count as one with it. Costs a look at each day of the song, and for everyone at
    each song of each day of the span.
    """
    songs = select(func.coalesce(Song.counts_as_id, Song.id)).where(Song.is_named(artist, title))
    parts = [select(rows).where(rows.c.song_id.in_(songs)).subquery() for rows in listening.rollups(*span[1:]).songs]
    names = ("plays", "listens", "ms_played")

    def add_up(rows: Subquery) -> Select[*tuple[Any, ...]]:
        return select(rows.c.day, *(total(rows.c[name]).label(name) for name in names)).group_by(rows.c.day)

    by_day = grouped(parts, add_up).subquery()
    return [Day(*row) for row in listening.connection.execute(select(by_day).order_by(by_day.c.day))]
