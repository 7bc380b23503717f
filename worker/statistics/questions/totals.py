"""How much was heard in all, of how much, and from when to when."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Select, Subquery, func, select, true, union

from worker.models import Song
from worker.statistics.periods import Span
from worker.statistics.questions.sources import GlobalListening, Heard, Listening
from worker.statistics.sql import ARTIST, total


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
    heard = listening.heard(span.first, span.last)
    days, songs = _days(heard), _catalogue(heard)
    answer = select(*days.c, *songs.c).join_from(days, songs, true())
    if isinstance(listening, GlobalListening):
        users = _listeners(heard)
        answer = answer.add_columns(users.c.listeners).join(users, true())
    told = listening.connection.execute(answer).mappings().one()
    return Totals(**{"listeners": min(told["plays"], 1), **told})


# Nothing is counted with DISTINCT below: PostgreSQL sorts for it, and groups without sorting.
def _days(heard: Heard) -> Subquery:
    hour = heard.hours.c
    names = ("plays", "listens", "ms_played")
    day = select(hour.day, *(total(hour[name]).label(name) for name in names)).group_by(hour.day).subquery()
    sums = (total(day.c[name]).label(name) for name in names)
    ends = (func.min(day.c.day).label("first_day"), func.max(day.c.day).label("last_day"))
    return select(*sums, func.count().label("days"), *ends).select_from(day).subquery()


def _listeners(heard: Heard) -> Subquery:
    user = heard.hours.c.user_id
    users = select(user).group_by(user).subquery()
    return select(func.count().label("listeners")).select_from(users).subquery()


def _catalogue(heard: Heard) -> Subquery:
    """The songs and artists with a listen."""
    # A song may be heard in both parts, which is what the union is for.
    song = union(*map(_listened, heard.songs)).subquery()
    artist = select(func.count().label("songs")).select_from(song).group_by(song.c.artist).subquery()
    counts = (total(artist.c.songs).label("songs"), func.count().label("artists"))
    return select(*counts).select_from(artist).subquery()


def _listened(rows: Subquery) -> Select[int, UUID]:
    songs = select(rows.c.song_id).where(rows.c.listens > 0).group_by(rows.c.song_id).subquery()
    return select(songs.c.song_id, ARTIST.label("artist")).join(Song, Song.id == songs.c.song_id)
