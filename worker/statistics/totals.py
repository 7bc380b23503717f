"""How much was heard in all, of how much, and from when to when."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select

from worker.models import ListeningHour, Song, SongDay
from worker.statistics.periods import Span
from worker.statistics.scope import scope, total


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


def totals(connection: Connection, span: Span, *, user_id: int | None) -> Totals:
    """The totals of a span, for one user; for everyone where there is none.

    Costs a look at each hour and each song of each day of the span. For everyone that is as much as drawing a chart:
    seconds where there are millions of plays, so no question for every visit of a page.
    """
    hours = ListeningHour
    sums = (total(hours.plays), total(hours.listens), total(hours.ms_played))
    listeners = func.count(hours.user_id.distinct())
    known = (func.count(hours.day.distinct()), func.min(hours.day), func.max(hours.day))
    heard = connection.execute(
        select(*sums, listeners, *known).where(scope(hours, span.first, span.last, user_id=user_id))
    ).one()
    songs, artists = _catalogue(connection, span, user_id=user_id)
    plays, listens, ms_played, users, days, first_day, last_day = heard
    return Totals(plays, listens, ms_played, songs, artists, users, days, first_day, last_day)


def _catalogue(connection: Connection, span: Span, *, user_id: int | None) -> tuple[int, int]:
    listened = (
        select(SongDay.song_id)
        .where(scope(SongDay, span.first, span.last, user_id=user_id), SongDay.listens > 0)
        .group_by(SongDay.song_id)
        .subquery()
    )
    artist = func.coalesce(Song.artist_identity, Song.identity)
    songs, artists = connection.execute(
        select(func.count(), func.count(artist.distinct())).join(listened, listened.c.song_id == Song.id)
    ).one()
    return songs, artists
