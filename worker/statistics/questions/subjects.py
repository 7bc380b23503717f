"""The rows of the rollups that belong to certain songs, artists or albums."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, exists, func, or_, select

from worker.models import Song, Track, TrackArtist
from worker.statistics.questions.top import Subject
from worker.statistics.sql import ARTIST, credited, total

# The artist by whom an album is listed, over `Track` and its `Song`.
ALBUM_ARTIST: Final = func.coalesce(Track.album_artist, Track.artists[0].as_string(), Song.artist)


def rows_of(rows: Subquery, subject: Subject, identities: Collection[UUID]) -> Subquery:
    """The rows of the subjects with these identities. A song is found by the identity of any that counts as it."""
    return select(rows).where(_IS_OF[subject](rows, identities)).subquery()


def _is_of_songs(rows: Subquery, identities: Collection[UUID]) -> ColumnElement[bool]:
    counting = func.coalesce(Song.counts_as_id, Song.id)
    return rows.c.song_id.in_(select(counting).where(Song.identity.in_(identities)))


def _is_of_albums(rows: Subquery, identities: Collection[UUID]) -> ColumnElement[bool]:
    return rows.c.track_id.in_(select(Track.id).where(Track.album_identity.in_(identities)))


def _is_of_artists(rows: Subquery, identities: Collection[UUID]) -> ColumnElement[bool]:
    """As `ARTIST` says it, in a form that indexes serve."""
    is_listed = exists().where(TrackArtist.track_id == rows.c.track_id)
    listed = select(TrackArtist.track_id).where(TrackArtist.artist_identity.in_(identities))
    unfiled = and_(Song.artist_identity.is_(None), Song.identity.in_(identities))
    own = select(Song.id).where(or_(Song.artist_identity.in_(identities), unfiled))
    return or_(rows.c.track_id.in_(listed), and_(rows.c.song_id.in_(own), ~is_listed))


_IS_OF: Final = {Subject.SONG: _is_of_songs, Subject.ALBUM: _is_of_albums, Subject.ARTIST: _is_of_artists}


def by_track(rows: Subquery) -> Select[*tuple[Any, ...]]:
    return select(rows.c.song_id, rows.c.track_id, *sums_of(rows)).group_by(rows.c.song_id, rows.c.track_id)


def by_identity(tracks: Subquery, subject: Subject) -> Select[*tuple[Any, ...]]:
    """The sums of tracks, from `by_track`, by the `identity` of song, album, or each of the artists."""
    filed = _FILED[subject](tracks)
    rows = filed.subquery()
    return select(rows.c.identity, *sums_of(rows)).group_by(rows.c.identity)


def _songs(tracks: Subquery) -> Select[*tuple[Any, ...]]:
    return select(Song.identity.label("identity"), *tracks.c).join(Song, Song.id == tracks.c.song_id)


def _albums(tracks: Subquery) -> Select[*tuple[Any, ...]]:
    return select(Track.album_identity.label("identity"), *tracks.c).join(Track, Track.id == tracks.c.track_id)


def _artists(tracks: Subquery) -> Select[*tuple[Any, ...]]:
    return credited(tracks, ARTIST.label("identity"), *tracks.c)


_FILED: Final = {Subject.SONG: _songs, Subject.ALBUM: _albums, Subject.ARTIST: _artists}


def sums_of(rows: Subquery) -> list[ColumnElement[int]]:
    return [total(rows.c[name]).label(name) for name in ("plays", "listens", "ms_played")]
