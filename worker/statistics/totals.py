"""How much was heard in all, of how much, and from when to when."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Select, Subquery, func, select, union

from worker.models import Song
from worker.statistics.listening import Listening, OfEveryone
from worker.statistics.periods import Span
from worker.statistics.scope import ARTIST, total


@dataclass(frozen=True)
class Totals:
    """A `listen` is a play that counts by the listen rule. `ms_played` is the sum of what is known.

    `songs` and `artists` are those with a listen; `days` those with a play, from `first_day` to `last_day`.
    """

    plays: int
    listens: int
    ms_played: int
    songs: int
    artists: int
    listeners: int
    days: int
    first_day: date | None
    last_day: date | None

    @property
    def skips(self) -> int:
        return self.plays - self.listens


def totals(listening: Listening, span: Span) -> Totals:
    """The totals of a span.

    Costs a look at each hour and each song of each day of the span. For everyone that is as much as drawing a chart:
    seconds where there are millions of plays, so no question for every visit of a page.
    """
    day = _days(listening, span)
    sums = (total(day.c.plays), total(day.c.listens), total(day.c.ms_played))
    plays, listens, ms_played, days, first_day, last_day = listening.connection.execute(
        select(*sums, func.count(), func.min(day.c.day), func.max(day.c.day))
    ).one()
    songs, artists = _catalogue(listening, span)
    listeners = _listeners(listening, span) if isinstance(listening, OfEveryone) else min(plays, 1)
    return Totals(plays, listens, ms_played, songs, artists, listeners, days, first_day, last_day)


# Nothing is counted with DISTINCT below: PostgreSQL sorts for it, and groups without sorting.
def _days(listening: Listening, span: Span) -> Subquery:
    hour = listening.hours(span.first, span.last).c
    sums = {name: total(hour[name]).label(name) for name in ("plays", "listens", "ms_played")}
    return select(hour.day, *sums.values()).group_by(hour.day).subquery()


def _listeners(everyone: OfEveryone, span: Span) -> int:
    user = everyone.hours(span.first, span.last).c.user_id
    users = select(user).group_by(user).subquery()
    return everyone.connection.scalar(select(func.count()).select_from(users)) or 0


def _catalogue(listening: Listening, span: Span) -> tuple[int, int]:
    """The songs and artists with a listen."""
    # A song may be heard in both parts, which is what the union is for.
    song = union(*(_listened(rows) for rows in listening.songs(span.first, span.last))).subquery()
    artist = select(func.count().label("songs")).select_from(song).group_by(song.c.artist).subquery()
    songs, artists = listening.connection.execute(select(total(artist.c.songs), func.count()).select_from(artist)).one()
    return songs, artists


def _listened(rows: Subquery) -> Select[int, UUID]:
    songs = select(rows.c.song_id).where(rows.c.listens > 0).group_by(rows.c.song_id).subquery()
    return select(songs.c.song_id, ARTIST.label("artist")).join(Song, Song.id == songs.c.song_id)
