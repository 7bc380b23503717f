"""Resolve what clients say of a song beyond its name, its album and artists, to track ids."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from worker.contract.events import SongRef
from worker.contract.identity import album_identity, artist_identity, track_identity
from worker.database.statement import Statement

# Song id, album, album artist and artists, as spelled by the client. A song's id is never used again, so that an entry
# of a deleted song, whose tracks went with it, is never found.
TrackKey = tuple[int, str | None, str | None, tuple[str, ...] | None]
# The track of plays whose client said nothing of album and artists.
NO_TRACK: Final = 0

_FIND: Final = Statement(
    "SELECT replace(CAST(identity AS text), '-', ''), id FROM {rows} JOIN tracks USING (identity)", {"identity": "uuid"}
)
_INSERT: Final = Statement(
    """
    INSERT INTO tracks (identity, song_id, album, album_artist, artists, album_identity)
    SELECT identity, song_id, album, album_artist, artists, album_identity FROM {rows} WHERE true ORDER BY identity
    ON CONFLICT (identity) DO NOTHING
    RETURNING replace(CAST(identity AS text), '-', ''), id
    """,
    {
        "identity": "uuid",
        "song_id": "bigint",
        "album": "text",
        "album_artist": "text",
        "artists": "jsonb",
        "album_identity": "uuid",
    },
)
_INSERT_ARTISTS: Final = Statement(
    """
    INSERT INTO track_artists (track_id, position, artist_identity, name)
    SELECT track_id, position, artist_identity, name FROM {rows} WHERE true ORDER BY track_id, position
    """,
    {"track_id": "bigint", "position": "smallint", "artist_identity": "uuid", "name": "text"},
)
# After the tracks are inserted: a merge of artists either waits for this transaction, or can be read now.
_FIND_MERGED: Final = Statement(
    """
    SELECT DISTINCT song_id FROM {rows}
      JOIN merges ON merges.subject = 'artist' AND incoming.artist_identity IN (merges.identity, merges.into_identity)
    """,
    {"song_id": "bigint", "artist_identity": "uuid"},
)
_LEAVE_TO_FILING: Final = Statement(
    "UPDATE songs SET is_filed = false WHERE id IN (SELECT song_id FROM {rows})", {"song_id": "bigint"}
)


def track_key(song_id: int, song: SongRef) -> TrackKey | None:
    """What names the track of a play; None if the client named neither album nor artists.

    An album artist without an album names nothing.
    """
    if song.album:
        return song_id, song.album, song.album_artist or None, song.artists
    return None if song.artists is None else (song_id, None, None, song.artists)


def resolve_tracks(connection: Connection, tracks: Mapping[TrackKey, SongRef]) -> dict[TrackKey, int]:
    """Return the ids of the tracks; create new ones. Of several spellings the first one stands.

    The songs of the tracks must be stored.
    """
    if not tracks:
        return {}
    identities = {key: _identity(key, song) for key, song in tracks.items()}
    first = {identity: key for key, identity in reversed(identities.items())}
    found = dict(_found(connection, first))
    if new := first.keys() - found.keys():
        created = _create(connection, [_row(identity, first[identity], tracks[first[identity]]) for identity in new])
        # RETURNING leaves out rows that another transaction has created meanwhile.
        found |= created | dict(_found(connection, new - created.keys()))
    return {key: found[identity] for key, identity in identities.items()}


def _identity(key: TrackKey, song: SongRef) -> str:
    _, album, album_artist, artists = key
    return track_identity(song.identity, album, album_artist, artists or ())


def _found(connection: Connection, identities: Any) -> Sequence[Any]:
    return _FIND.run(connection, [{"identity": identity} for identity in identities]) if identities else ()


def _create(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    created: dict[str, int] = dict(_INSERT.run(connection, rows))
    artists = [
        {"track_id": created[row["identity"]], **artist}
        for row in rows
        if row["artists"] and row["identity"] in created
        for artist in _artists(row["artists"])
    ]
    if artists:
        _INSERT_ARTISTS.run(connection, artists)
    _file_merged(connection, [row for row in rows if row["identity"] in created])
    return created


def _file_merged(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Leave tracks of artists that count as others, or that others count as, to `worker.statistics.rollups.filing`."""
    names = [
        {"song_id": row["song_id"], "artist_identity": artist_identity(name)}
        for row in rows
        for name in {row["whose"], *(row["artists"] or ())}
    ]
    merged = _FIND_MERGED.run(connection, names) if names else ()
    if merged:
        _LEAVE_TO_FILING.run(connection, [{"song_id": song_id} for (song_id,) in merged])


def _row(identity: str, key: TrackKey, song: SongRef) -> dict[str, Any]:
    song_id, album, album_artist, artists = key
    whose = album_artist or (artists[0] if artists else song.artist)
    return {
        "identity": identity,
        "song_id": song_id,
        "album": album,
        "album_artist": album_artist,
        "artists": artists,
        "whose": whose,
        "album_identity": album_identity(whose, album) if album else None,
    }


def _artists(names: Sequence[str]) -> list[dict[str, Any]]:
    """Each artist once, in the client's order: a name that is listed twice would count twice."""
    first: dict[str, dict[str, Any]] = {}
    for position, name in enumerate(names):
        identity = artist_identity(name)
        first.setdefault(identity, {"position": position, "artist_identity": identity, "name": name})
    return list(first.values())
