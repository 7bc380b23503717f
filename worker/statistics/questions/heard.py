"""What a user heard of one song, artist or album: how much, when first and last, and by month."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Subquery, func, or_, select

from worker.models import Merge, Song, Track, TrackArtist
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import ALBUM_ARTIST, by_identity, by_track, rows_of, sums_of
from worker.statistics.questions.top import Place, Subject
from worker.statistics.sql import grouped


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

    Costs a look at each song and track of the subject in the catalogue, and at each of their days.
    """
    days = [rows_of(rows, subject, [identity]) for rows in listening.rollups(date.min, date.max).songs]
    found = listening.connection.execute(grouped(days, _by_day).order_by("day")).all()
    if not found:
        return None
    months = Counter[date]()
    for day, _, listens, _ in found:
        months[span(Period.MONTH, day).first] += listens
    plays, listens, ms_played = (sum(column) for column in list(zip(*found, strict=True))[1:])
    artist, title, album = _names(listening, subject, identity)
    return Heard(
        artist=artist,
        title=title,
        album=album,
        plays=plays,
        listens=listens,
        ms_played=ms_played,
        first_day=found[0].day,
        last_day=found[-1].day,
        months=+months,
    )


def songs_of(listening: UserListening, subject: Subject, identity: UUID, *, most: int) -> Sequence[Place]:
    """The user's first `most` songs of an artist or album, by listens, plays and time. Costs as much as `heard`."""
    parts = [rows_of(rows, subject, [identity]) for rows in listening.rollups(date.min, date.max).songs]
    sums = grouped(parts, _by_song).subquery().c
    rows = listening.connection.execute(
        select(Song.artist, Song.title, sums.plays, sums.listens, sums.ms_played, Song.identity)
        .join(Song, Song.id == sums.song_id)
        .where(sums.listens > 0)
        .order_by(sums.listens.desc(), sums.plays.desc(), sums.ms_played.desc(), Song.identity)
        .limit(most)
    )
    return [
        Place(number, artist, title, plays, listens, ms_played, 1, identity)
        for number, (artist, title, plays, listens, ms_played, identity) in enumerate(rows, start=1)
    ]


def listens_of(
    listening: UserListening, subject: Subject, wanted: Span, identities: Collection[UUID]
) -> Mapping[UUID, int]:
    """The listens of songs, artists or albums in a span, by identity; an absent one has none.

    Costs a look at each of their songs and tracks in the catalogue, and at each of these days in the span.
    """
    parts = [rows_of(rows, subject, identities) for rows in listening.rollups(wanted.first, wanted.last).songs]
    sums = by_identity(grouped(parts, by_track).subquery(), subject).subquery().c
    rows = listening.connection.execute(select(sums.identity, sums.listens).where(sums.identity.in_(identities)))
    return {identity: listens for identity, listens in rows if listens}


def _names(listening: UserListening, subject: Subject, identity: UUID) -> tuple[str, str | None, str | None]:
    """Artist, title and a song's album. Of several spellings, the one that others count as, else the oldest."""
    connection = listening.connection
    song = select(Song.artist, Song.title, Song.album).order_by(Song.id).limit(1)
    if subject is Subject.SONG:
        counting = select(func.coalesce(Song.counts_as_id, Song.id)).where(Song.identity == identity)
        artist, title, album = connection.execute(song.where(Song.id == counting.scalar_subquery())).one()
        return artist, title, album
    if subject is Subject.ALBUM:
        named = select(ALBUM_ARTIST, Track.album).join(Song, Song.id == Track.song_id)
        row = connection.execute(named.where(Track.album_identity == identity).order_by(Track.id).limit(1)).one()
        return row[0], row[1], None
    merged = select(Merge.into_artist).where(Merge.subject == subject.value, Merge.into_identity == identity)
    if into := connection.scalars(merged.order_by(Merge.into_artist).limit(1)).first():
        return into, None, None
    own = connection.execute(song.where(or_(Song.artist_identity == identity, Song.identity == identity))).first()
    listed = select(TrackArtist.name).where(TrackArtist.artist_identity == identity)
    name = own[0] if own else connection.scalars(listed.order_by(TrackArtist.track_id).limit(1)).one()
    return name, None, None


def _by_day(rows: Subquery) -> Select[*tuple[Any, ...]]:
    return select(rows.c.day, *sums_of(rows)).group_by(rows.c.day)


def _by_song(rows: Subquery) -> Select[*tuple[Any, ...]]:
    return select(rows.c.song_id, *sums_of(rows)).group_by(rows.c.song_id)
