"""How much was heard in all, of how much, and from when to when."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Subquery, func, select

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
    day = _days(span, user_id=user_id)
    sums = (total(day.c.plays), total(day.c.listens), total(day.c.ms_played))
    plays, listens, ms_played, days, first_day, last_day = connection.execute(
        select(*sums, func.count(), func.min(day.c.day), func.max(day.c.day))
    ).one()
    songs, artists = _catalogue(connection, span, user_id=user_id)
    listeners = _listeners(connection, span) if user_id is None else min(plays, 1)
    return Totals(plays, listens, ms_played, songs, artists, listeners, days, first_day, last_day)


# Nothing is counted with DISTINCT below: PostgreSQL sorts for it, and groups without sorting.
def _days(span: Span, *, user_id: int | None) -> Subquery:
    hours = ListeningHour
    sums = {name: total(getattr(hours, name)).label(name) for name in ("plays", "listens", "ms_played")}
    wanted = scope(hours, span.first, span.last, user_id=user_id)
    return select(hours.day, *sums.values()).where(wanted).group_by(hours.day).subquery()


def _listeners(connection: Connection, span: Span) -> int:
    hours = ListeningHour
    wanted = scope(hours, span.first, span.last, user_id=None)
    users = select(hours.user_id).where(wanted).group_by(hours.user_id).subquery()
    return connection.scalar(select(func.count()).select_from(users)) or 0


def _catalogue(connection: Connection, span: Span, *, user_id: int | None) -> tuple[int, int]:
    """The songs and artists with a listen."""
    wanted = scope(SongDay, span.first, span.last, user_id=user_id)
    listened = select(SongDay.song_id).where(wanted, SongDay.listens > 0).group_by(SongDay.song_id).subquery()
    artist = (
        select(func.count().label("songs"))
        .select_from(Song)
        .join(listened, listened.c.song_id == Song.id)
        .group_by(func.coalesce(Song.artist_identity, Song.identity))
        .subquery()
    )
    songs, artists = connection.execute(select(total(artist.c.songs), func.count()).select_from(artist)).one()
    return songs, artists
