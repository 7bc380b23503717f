"""What a user heard of one song, artist or album: how much, when first and last, and by month."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    Subquery,
    Uuid,
    cast,
    extract,
    literal,
    select,
    union_all,
)

from worker.models import Merge, Song, Track, TrackArtist
from worker.statistics.periods import Period, Span, span
from worker.statistics.questions.heard_tracks import HeardTrack, as_song_days, heard_tracks, listens_by_day
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject, filed, may_count_for, named
from worker.statistics.questions.top import By, Place, first_places, sums_of, with_any
from worker.statistics.sql import grouped, total

_EVER: Final = span(Period.ALL, date.min)


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
    """What the user heard of the subject with this identity; None without a play. A merged song is the whole one.

    Costs two looks at each day of its songs.
    """
    tracks = heard_tracks(listening, subject, identity)
    if not tracks:
        return None
    artist, title, shown = listening.connection.execute(named(_one(tracks, identity), subject)).one()
    album = select(Song.album).where(Song.identity == shown)
    return Heard(
        artist=artist,
        title=title,
        album=listening.connection.scalar(album) if subject is Subject.SONG else None,
        plays=sum(track.plays for track in tracks),
        listens=sum(track.listens for track in tracks),
        ms_played=sum(track.ms_played for track in tracks),
        first_day=min(track.first_day for track in tracks),
        last_day=max(track.last_day for track in tracks),
        months=_months(listening, tracks),
    )


def _one(tracks: Sequence[HeardTrack], identity: UUID) -> Subquery:
    """The row that `named` finds a name for."""
    songs = [track.named_song_id for track in tracks if track.named_song_id is not None]
    ids = [track.named_track_id for track in tracks if track.named_track_id is not None]
    return select(
        literal(identity, Uuid).label("filed_under"),
        literal(min(songs, default=None), BigInteger).label("named_song_id"),
        literal(min(ids, default=None), BigInteger).label("named_track_id"),
    ).subquery()


def _months(listening: UserListening, tracks: Sequence[HeardTrack]) -> Mapping[date, int]:
    day = union_all(*listens_by_day(listening, tracks)).subquery().c
    month = (cast(extract("year", day.day), Integer), cast(extract("month", day.day), Integer))
    listens = total(day.listens)
    by_month = select(*month, listens).group_by(*month).having(listens > 0).order_by(*month)
    return {date(year, number, 1): count for year, number, count in listening.connection.execute(by_month).all()}


def songs_of(listening: UserListening, subject: Subject, identity: UUID, *, most: int) -> Sequence[Place]:
    """The user's first `most` songs of an artist or album, in the order of `rank`. Costs nothing more after `heard`."""
    tracks = heard_tracks(listening, subject, identity)
    if not tracks:
        return []
    songs = sums_of([as_song_days(listening, tracks)], Subject.SONG)
    return first_places(listening.connection, with_any(songs, By.LISTENS), Subject.SONG, most=most)


def places_of(
    listening: UserListening, subject: Subject, identities: Collection[UUID], *, most: int
) -> Sequence[Place]:
    """The user's first `most` of some songs, artists or albums, in the order of `rank`, also those without a listen.

    Costs as much as `heard`.
    """
    summed, parts = _summed(listening, _EVER, subject, identities)
    sums = sums_of(_candidates(parts, subject, identities), subject, summed=summed).subquery()
    wanted = select(sums)
    if subject is not Subject.SONG:
        # A track that counts for one of them may count for other artists, too.
        wanted = wanted.where(sums.c.filed_under.in_(identities))
    return first_places(listening.connection, wanted, subject, most=most)


def listens_of(
    listening: UserListening, subject: Subject, wanted: Span, identities: Collection[UUID]
) -> Mapping[UUID, int]:
    """The listens of songs, artists or albums in a span, by identity; an absent one has none.

    Costs a look at each of their songs, and at each of their days in the span.
    """
    summed, parts = _summed(listening, wanted, subject, identities)
    sums = grouped([*summed, *_parts(parts, subject, identities)], _by_subject)
    return {identity: listens for identity, listens in listening.connection.execute(sums) if listens}


def _summed(
    listening: UserListening, wanted: Span, subject: Subject, identities: Collection[UUID]
) -> tuple[Sequence[Subquery], Sequence[Subquery]]:
    """The sums of these artists or albums, and the rows of tracks that they leave out."""
    rollups = listening.rollups(wanted.first, wanted.last)
    if subject is Subject.SONG:
        return (), rollups.songs
    summed, parts = rollups.filed(subject)
    return [select(part).where(part.c.filed_under.in_(identities)).subquery() for part in summed], parts


def _parts(rows: Sequence[Subquery], subject: Subject, identities: Collection[UUID]) -> Sequence[Subquery]:
    """Rows of these subjects, with what `filed` adds."""
    each = [filed(part, subject).subquery() for part in _candidates(rows, subject, identities)]
    if subject is Subject.SONG:
        return each
    return [select(part).where(part.c.filed_under.in_(identities)).subquery() for part in each]


def _candidates(rows: Sequence[Subquery], subject: Subject, identities: Collection[UUID]) -> Sequence[Subquery]:
    """The rows of all songs that have something to do with these subjects."""
    songs = may_count_for(subject, identities)
    return [select(part).where(part.c.song_id.in_(songs)).subquery() for part in rows]


def _by_subject(rows: Subquery) -> Select[*tuple[Any, ...]]:
    return select(rows.c.filed_under, total(rows.c.listens).label("listens")).group_by(rows.c.filed_under)


def counted_artist(connection: Connection, artist: UUID) -> UUID:
    """The artist that this one counts as: itself, unless a person has merged it. Costs a look-up by key."""
    merged = select(Merge.counts_as_identity).where(Merge.subject == Subject.ARTIST.value, Merge.identity == artist)
    return connection.scalar(merged) or artist


def first_listed(connection: Connection, artist: UUID) -> UUID | None:
    """The first artist that clients list for songs whose own artist, as displayed, has this identity."""
    listed = select(TrackArtist.artist_identity).join(Track, Track.id == TrackArtist.track_id)
    of_artist = listed.join(Song, Song.id == Track.song_id).where(Song.artist_identity == artist)
    return connection.scalar(of_artist.order_by(TrackArtist.track_id, TrackArtist.position).limit(1))
