"""The song of a play, with the album, artists and duration that came with this play.

A play that a release before 0.3 recorded has those that this release knew of its song.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func

from worker.contract.events import SongRef
from worker.models.corrected_play import CorrectedPlay
from worker.models.play import PlayHistory
from worker.models.song import Song
from worker.models.track import Track

_Plays = type[PlayHistory] | type[CorrectedPlay]


def columns_of_song(play: _Plays) -> Sequence[ColumnElement[Any]]:
    """What `song_ref` takes, of a SELECT that `with_song` has joined."""
    legacy = func.coalesce(play.duration_ms, Song.legacy_duration_ms)
    duration_ms = case((play.track_id.is_(None), legacy), else_=play.duration_ms).label("duration_ms")
    song, track = Song.__table__.c, Track.__table__.c
    return song.title, song.artist, track.album, duration_ms, song.attributes, track.artists, track.album_artist


def with_song(plays: Select[Any], play: _Plays) -> Select[Any]:
    """Join each play's song and track."""
    track_id = func.coalesce(play.track_id, Song.legacy_track_id)
    return plays.join(Song, Song.id == play.song_id).outerjoin(Track, Track.id == track_id)


def song_ref(  # noqa: PLR0913, PLR0917 -- A song's fields.
    title: str,
    artist: str,
    album: str | None,
    duration_ms: int | None,
    ids: dict[str, str] | None,
    artists: Sequence[str] | None,
    album_artist: str | None,
) -> SongRef:
    return SongRef(title, artist, album, duration_ms, ids, None if artists is None else tuple(artists), album_artist)
