"""From songs as clients name them to song ids; what is known of a song fills gaps and never overwrites."""

import json
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from worker.contract.events import SongName, SongRef
from worker.contract.identity import album_identity, artist_identity
from worker.database.statement import Statement

_COLUMNS: Final = {
    "identity": "uuid",
    "artist": "text",
    "title": "text",
    "album": "text",
    "artist_identity": "uuid",
    "album_identity": "uuid",
    "duration_ms": "integer",
    "attributes": "jsonb",
}

_FIND: Final = Statement(
    """
    SELECT replace(CAST(identity AS text), '-', ''), id, album, duration_ms, CAST(attributes AS text)
      FROM {rows} JOIN songs USING (identity)
    """,
    {"identity": "uuid"},
)
# An album is filed under the artist, whom somebody may have corrected: then a sweep files it, by the names that stand.
# Without a condition, so that RETURNING names every song, also one that another transaction has created meanwhile.
_UPSERT: Final = Statement(
    """
    INSERT INTO songs (identity, artist, title, album, artist_identity, album_identity, duration_ms, attributes)
    SELECT identity, artist, title, album, artist_identity, album_identity, duration_ms, attributes
      FROM {rows} WHERE true ORDER BY identity
    ON CONFLICT (identity) DO UPDATE
       SET album = coalesce(songs.album, excluded.album),
           album_identity = CASE WHEN songs.album IS NOT NULL THEN songs.album_identity
                                 WHEN songs.artist_identity = excluded.artist_identity THEN excluded.album_identity END,
           duration_ms = coalesce(songs.duration_ms, excluded.duration_ms),
           attributes = coalesce({merged}, songs.attributes, excluded.attributes),
           updated_at = CURRENT_TIMESTAMP
    RETURNING replace(CAST(identity AS text), '-', ''), id, album, duration_ms, CAST(attributes AS text)
    """,
    _COLUMNS,
)


class KnownSong(NamedTuple):
    """A song's id, and which of its gaps are filled."""

    id: int
    has_album: bool
    has_duration: bool
    attributes: frozenset[str]

    def learns_from(self, song: SongRef) -> bool:
        """Whether the client knows something of the song that the database does not."""
        return (
            (not self.has_album and bool(song.album))
            or (not self.has_duration and song.duration_ms is not None)
            or (song.ids is not None and not self.attributes.issuperset(song.ids))
        )


def resolve_songs(connection: Connection, songs: Collection[SongRef]) -> dict[SongName, KnownSong]:
    """The songs by name; new ones are made, and gaps filled. Of several spellings the first one given stands."""
    if not songs:
        return {}
    identities = {song.name: song.identity for song in songs}
    wanted = _folded((identities[song.name], song) for song in songs)
    found = _known(_FIND.run(connection, [{"identity": identity} for identity in wanted]))
    news = [row for identity, row in wanted.items() if identity not in found or _fills(row, found[identity])]
    if news:
        found |= _known(_UPSERT.run(connection, news))
    return {name: found[identity] for name, identity in identities.items()}


def _folded(songs: Iterable[tuple[str, SongRef]]) -> dict[str, dict[str, Any]]:
    """One row a song, each field as it was given first: a statement may not meet the same key twice."""
    rows: dict[str, dict[str, Any]] = {}
    for identity, song in songs:
        row = rows.setdefault(identity, {"identity": identity, "artist": song.artist, "title": song.title})
        if song.album:
            row.setdefault("album", song.album)
        if song.duration_ms:
            row.setdefault("duration_ms", song.duration_ms)
        if song.ids:
            row["attributes"] = song.ids | row.get("attributes", {})
    for row in rows.values():
        row["artist_identity"] = artist_identity(row["artist"])
        row["album_identity"] = album_identity(row["artist"], row["album"]) if "album" in row else None
    return rows


def _fills(row: dict[str, Any], known: KnownSong) -> bool:
    return (
        ("album" in row and not known.has_album)
        or ("duration_ms" in row and not known.has_duration)
        or not known.attributes.issuperset(row.get("attributes", ()))
    )


def _known(rows: Iterable[Any]) -> dict[str, KnownSong]:
    return {
        identity: KnownSong(
            song_id, album is not None, duration_ms is not None, frozenset(json.loads(attributes or "{}"))
        )
        for identity, song_id, album, duration_ms, attributes in rows
    }
