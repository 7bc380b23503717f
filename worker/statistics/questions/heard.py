"""What a user heard of one song, artist or album: how much, when first and last, and by month."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Select, Subquery, extract, func, select, union_all

from worker.models import Merge, Song, Track, TrackArtist
from worker.statistics.periods import Period, Span, span
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

    Costs a look at each of its songs, and at each of their days.
    """
    parts = _parts(listening.rollups(*_EVER[1:]).songs, subject, [identity])
    day = grouped(parts, _by_day).subquery().c
    month = (extract("year", day.day), extract("month", day.day))
    sums = (total(day[name]) for name in ("plays", "listens", "ms_played"))
    by_month = select(*month, *sums, func.min(day.day), func.max(day.day)).group_by(*month).order_by(*month)
    found = listening.connection.execute(by_month).all()
    if not found:
        return None
    years, months, plays, listens, ms_played, first_days, last_days = zip(*found, strict=True)
    artist, title, shown = listening.connection.execute(named(_one(parts), subject)).one()
    album = select(Song.album).where(Song.identity == shown)
    return Heard(
        artist=artist,
        title=title,
        album=listening.connection.scalar(album) if subject is Subject.SONG else None,
        plays=sum(plays),
        listens=sum(listens),
        ms_played=sum(ms_played),
        first_day=first_days[0],
        last_day=last_days[-1],
        months={
            date(int(year), int(number), 1): count
            for year, number, count in zip(years, months, listens, strict=True)
            if count
        },
    )


def songs_of(listening: UserListening, subject: Subject, identity: UUID, *, most: int) -> Sequence[Place]:
    """The user's first `most` songs of an artist or album, in the order of `rank`. Costs as much as `heard`."""
    songs = sums_of(_parts(listening.rollups(*_EVER[1:]).songs, subject, [identity]), Subject.SONG)
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


def _one(parts: Sequence[Subquery]) -> Subquery:
    each = union_all(*map(select, parts)).subquery().c
    names = (func.min(each[name]).label(name) for name in ("named_song_id", "named_track_id"))
    return select(each.filed_under, *names).group_by(each.filed_under).subquery()


def _by_day(rows: Subquery) -> Select[*tuple[Any, ...]]:
    sums = (total(rows.c[name]).label(name) for name in ("plays", "listens", "ms_played"))
    return select(rows.c.day, *sums).group_by(rows.c.day)


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
