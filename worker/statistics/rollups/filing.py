"""File songs: under the artist, tracks under the album, and twins under the song that they count as.

A recorder files the songs that it creates. This files the others: those that a person or a release before 0.3 wrote,
those that were renamed or lost the song they counted as, and those with typography in their names, of which another
transaction may have recorded a twin at the same time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select
from uuid_utils import uuid4

from worker.contract.identity import album_identity, artist_identity, hides_characters, twin_identity
from worker.database.locks import lock_writers
from worker.models import Song, StaleHistory, Track, TrackArtist
from worker.statistics import statements
from worker.statistics.rollups.marks import is_anything_left_out, new_mark
from worker.statistics.rollups.merges import ARTIST, SONG, Merges, merges_of

# Recorders of new songs wait for as long. In the worst case the next sweep tries again.
_WAIT_MS: Final = 500
_Found = Sequence[Any]


def file_songs(connection: Connection, *, most: int) -> int:
    """File up to `most` songs. Returns how many.

    Waits for the transactions that write songs, because they do not see each other's twins. Afterwards each sees what
    was filed. If one of them takes long, it gives up.

    Raises:
        DatabaseUnavailableError: `is_locked`, and nothing was filed.
    """
    unfiled = select(Song.id).where(Song.is_filed.is_(False)).order_by(Song.id).limit(most)
    if connection.scalar(unfiled.limit(1)) is None:
        return 0
    lock_writers(connection, "songs", wait_ms=_WAIT_MS)
    return file(connection, connection.scalars(unfiled).all())


def file(connection: Connection, song_ids: Collection[int]) -> int:
    """File these songs with their tracks and their twins. The caller has locked the writers. Returns how many.

    Skips songs that another transaction has locked to write them: it waits for the caller, so waiting would deadlock.
    """
    merges = merges_of(connection, SONG)
    songs = _locked(connection, _named(connection, song_ids), merges)
    if not songs:
        return 0
    artists = merges_of(connection, ARTIST)
    legacy = _keep_legacy(connection, [song for song in songs if song.twin_identity is None], artists)
    rows = [
        {
            "id": song.id,
            "artist_identity": artist_identity(artists.artist(song.artist)),
            "twin_identity": _twin(song).hex,
            "legacy_track_id": legacy.get(song.id),
            "legacy_duration_ms": song.duration_ms if song.id in legacy else None,
        }
        for song in songs
    ]
    statements.run(connection, "file_songs", rows)
    link_twins(connection, map(_twin, songs), merges)
    _file_tracks(connection, [song.id for song in songs], artists)
    return len(songs)


def link_twins(connection: Connection, twins: Iterable[UUID], merges: Merges) -> None:
    """Point the songs of these twin identities, and all that are merged into them, at what they count as.

    Twins count as the oldest of them whose names hide no character, and this one as what it is merged into.
    """
    linked = [(twin, merges.into.get(twin), merges.end(twin)) for twin in merges.with_merged(twins)]
    head = heads(connection, {identity for each in linked for identity in each if identity})
    rows = [
        {
            "twin_identity": twin.hex,
            "head_id": head.get(twin),
            "into_id": into and head.get(into),
            "end_id": head.get(end),
        }
        for twin, into, end in linked
    ]
    statements.run(connection, "link_twins", rows)


def heads(connection: Connection, twins: Collection[UUID]) -> Mapping[UUID, int]:
    """The song of each twin identity that its twins count as: the oldest of those whose names hide no character."""
    names = select(Song.id, Song.twin_identity, Song.artist, Song.title).where(Song.twin_identity.in_(twins))
    found: dict[UUID, tuple[bool, int]] = {}
    for song_id, twin, *its_names in connection.execute(names):
        if twin is not None:
            found[twin] = min((hides_characters(*its_names), song_id), found.get(twin, (True, song_id)))
    return {twin: song_id for twin, (_, song_id) in found.items()}


def _hex(identity: UUID | None) -> str | None:
    return None if identity is None else identity.hex


def _twin(song: Any) -> UUID:
    known: UUID | None = song.twin_identity
    return known or UUID(twin_identity(song.artist, song.title))


def _named(connection: Connection, song_ids: Collection[int]) -> _Found:
    return connection.execute(
        select(
            Song.id, Song.artist, Song.title, Song.album, Song.duration_ms, Song.twin_identity,
            Song.legacy_track_id, Song.legacy_duration_ms,
        ).where(Song.id.in_(song_ids))
    ).all()  # fmt: skip


def _locked(connection: Connection, songs: _Found, merges: Merges) -> _Found:
    """Lock these songs and all that filing them changes. Returns the songs of which all could be locked."""
    twins = merges.with_merged(map(_twin, songs))
    of_twins = select(Song.id, Song.twin_identity).where(Song.twin_identity.in_(twins))
    touched = {song.id: _twin(song) for song in songs} | {
        row.id: row.twin_identity for row in connection.execute(of_twins)
    }
    # The lock of an UPDATE, which those who record plays of the song do not wait for.
    wanted = select(Song.id).where(Song.id.in_(touched)).order_by(Song.id)
    ours = set(connection.scalars(wanted.with_for_update(key_share=True, skip_locked=True)))
    others = {twin for song_id, twin in touched.items() if song_id not in ours}
    return [song for song in songs if _twin(song) not in others]


def _keep_legacy(connection: Connection, songs: Iterable[Any], artists: Merges) -> Mapping[int, int | None]:
    """What a release before 0.3 knew of a song when it inserted it, as the migration keeps it: its track, by song."""
    new = [song for song in songs if song.legacy_track_id is None and song.legacy_duration_ms is None]
    rows = [
        {
            "identity": UUID(bytes=uuid4().bytes),
            "song_id": song.id,
            "album": song.album,
            "album_identity": UUID(album_identity(artists.artist(song.artist), song.album)),
        }
        for song in new
        if song.album
    ]
    legacy: dict[int, int | None] = dict.fromkeys(song.id for song in new)
    if rows:
        legacy |= {
            song_id: track_id
            for track_id, song_id in connection.execute(insert(Track).returning(Track.id, Track.song_id), rows)
        }
    return legacy


def _file_tracks(connection: Connection, song_ids: Collection[int], artists: Merges) -> None:
    """File the tracks of these songs under their albums, and their artists under what these count as."""
    tracks = connection.execute(
        select(
            Track.id,
            Track.song_id,
            Track.album,
            Track.album_artist,
            Track.artists,
            Track.album_identity,
            Track.merged_artist_identity,
            Song.artist,
        )
        .join(Song, Song.id == Track.song_id)
        .where(Track.song_id.in_(song_ids))
    ).all()
    rows = [
        {"id": track.id, "album_identity": _hex(wanted[0]), "merged_artist_identity": _hex(wanted[1])}
        for track in tracks
        if (wanted := _album(track, artists)) != (track.album_identity, track.merged_artist_identity)
    ]
    if rows:
        statements.run(connection, "file_tracks", rows)
    _file_artists(connection, tracks, artists)


def _album(track: Any, artists: Merges) -> tuple[UUID | None, UUID | None]:
    """The identity of a track's album, and whom its artist counts as if they are merged into another one."""
    if not track.album:
        return None, None
    whose = track.album_artist or (track.artists[0] if track.artists else track.artist)
    artist = UUID(artist_identity(whose))
    merged = artists.end(artist)
    return UUID(album_identity(artists.artist(whose), track.album)), None if merged == artist else merged


def _file_artists(connection: Connection, tracks: _Found, artists: Merges) -> None:
    """Replace the listed artists of tracks where they are others now.

    Only charts keep a copy of what this changes, and, if anyone leaves out an artist, days.
    """
    columns = TrackArtist.track_id, TrackArtist.position, TrackArtist.artist_identity, TrackArtist.name
    of_tracks = TrackArtist.track_id.in_([track.id for track in tracks])
    stored: dict[int, set[tuple[Any, ...]]] = {}
    for track_id, *rest in connection.execute(select(*columns).where(of_tracks)):
        stored.setdefault(track_id, set()).add(tuple(rest))
    changed = {
        track.id: (track.song_id, wanted)
        for track in tracks
        if (wanted := _listed(track.artists or (), artists)) != stored.get(track.id, set())
    }
    if not changed:
        return
    connection.execute(delete(TrackArtist).where(TrackArtist.track_id.in_(changed)))
    names = [column.key for column in columns]
    rows = [dict(zip(names, (key, *row), strict=True)) for key, (_, listed) in changed.items() for row in listed]
    if rows:
        connection.execute(insert(TrackArtist), rows)
    charts_only = not is_anything_left_out(connection)
    songs = {song_id for song_id, _ in changed.values()}
    connection.execute(
        insert(StaleHistory), [{"mark": new_mark(), "song_id": each, "charts_only": charts_only} for each in songs]
    )


def _listed(names: Sequence[str], artists: Merges) -> set[tuple[int, UUID, str]]:
    """Position, identity and name of each artist once: one that is listed twice would count twice."""
    first: dict[UUID, tuple[int, UUID, str]] = {}
    for position, name in enumerate(names):
        identity = UUID(artist_identity(artists.artist(name)))
        first.setdefault(identity, (position, identity, name))
    return set(first.values())
