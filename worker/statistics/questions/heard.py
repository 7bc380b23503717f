"""What a user heard of one song, artist or album: how much, when first and last, and by month."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, or_, select

from worker.models import Song
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.top import Place, Subject
from worker.statistics.sql import ARTIST, grouped, total

_KEY: Final[Mapping[Subject, ColumnElement[Any]]] = {
    Subject.SONG: Song.__table__.c.identity,
    Subject.ARTIST: ARTIST,
    Subject.ALBUM: Song.__table__.c.album_identity,
}


@dataclass(frozen=True)
class Heard:
    """One song, artist or album of a user. `title` is the song's or the album's, None for an artist.

    `album` is a song's, as far as it is known. `first_day` and `last_day` are those with a play; `months` has the
    listens of each month that has any, by its first day.
    """

    artist: str
    title: str | None
    album: str | None
    plays: int
    listens: int
    ms_played: int
    first_day: date
    last_day: date
    months: Mapping[date, int]


def heard(listening: UserListening, subject: Subject, identity: UUID) -> Heard | None:
    """What the user heard of the subject with this identity; None without a play.

    Costs a look at each song in the catalogue, unless the subject is a song, and at each of its days.
    """
    known = select(Song.id, Song.artist, Song.title, Song.album).where(_is_filed_under(subject, [identity]))
    songs = listening.connection.execute(known.order_by(Song.id)).all()
    days = [_of_songs(rows, [song.id for song in songs]) for rows in listening.rollups(date.min, date.max).songs]
    found = listening.connection.execute(grouped(days, _by_day).order_by("day")).all() if songs else ()
    if not found:
        return None
    months = Counter[date]()
    for day, _, listens, _ in found:
        months[span(Period.MONTH, day).first] += listens
    plays, listens, ms_played = (sum(column) for column in list(zip(*found, strict=True))[1:])
    _, artist, title, album = songs[0]
    return Heard(
        artist=artist,
        title={Subject.SONG: title, Subject.ALBUM: album, Subject.ARTIST: None}[subject],
        album=album if subject is Subject.SONG else None,
        plays=plays,
        listens=listens,
        ms_played=ms_played,
        first_day=found[0].day,
        last_day=found[-1].day,
        months=+months,
    )


def songs_of(listening: UserListening, subject: Subject, identity: UUID, *, most: int) -> Sequence[Place]:
    """The user's first `most` songs of an artist or album, by listens, then plays. Costs as much as `heard`."""
    filed = select(Song.id).where(_is_filed_under(subject, [identity]))
    parts = [_of_songs(rows, filed) for rows in listening.rollups(date.min, date.max).songs]
    sums = grouped(parts, _by_song).subquery().c
    rows = listening.connection.execute(
        select(Song.artist, Song.title, sums.plays, sums.listens, sums.ms_played)
        .join(Song, Song.id == sums.song_id)
        .where(sums.listens > 0)
        .order_by(sums.listens.desc(), sums.plays.desc(), sums.song_id)
        .limit(most)
    )
    return [
        Place(number, artist, title, plays, listens, ms_played, listeners=1)
        for number, (artist, title, plays, listens, ms_played) in enumerate(rows, start=1)
    ]


def listens_of(
    listening: UserListening, subject: Subject, wanted: Span, identities: Collection[UUID]
) -> Mapping[UUID, int]:
    """The listens of songs, artists or albums in a span, by identity; an absent one has none.

    Costs a look at each song in the catalogue, unless the subject is a song, and at each of their days in the span.
    """
    filed = select(Song.id).where(_is_filed_under(subject, identities))
    parts = [_of_songs(rows, filed) for rows in listening.rollups(wanted.first, wanted.last).songs]
    sums = grouped(parts, _by_song).subquery().c
    rows = listening.connection.execute(
        select(_KEY[subject], total(sums.listens)).join(Song, Song.id == sums.song_id).group_by(_KEY[subject])
    )
    return {identity: listens for identity, listens in rows if listens}


def _is_filed_under(subject: Subject, identities: Collection[UUID]) -> ColumnElement[bool]:
    if subject is not Subject.ARTIST:
        return _KEY[subject].in_(identities)
    # As `ARTIST` says it, in a form that an index could serve.
    return or_(
        Song.artist_identity.in_(identities), and_(Song.artist_identity.is_(None), Song.identity.in_(identities))
    )


def _of_songs(rows: Subquery, songs: Select[int] | Sequence[int]) -> Subquery:
    return select(rows).where(rows.c.song_id.in_(songs)).subquery()


def _by_day(rows: Subquery) -> Select[*tuple[Any, ...]]:
    return select(rows.c.day, *_sums(rows)).group_by(rows.c.day)


def _by_song(rows: Subquery) -> Select[*tuple[Any, ...]]:
    return select(rows.c.song_id, *_sums(rows)).group_by(rows.c.song_id)


def _sums(rows: Subquery) -> Sequence[ColumnElement[int]]:
    return [total(rows.c[name]).label(name) for name in ("plays", "listens", "ms_played")]
