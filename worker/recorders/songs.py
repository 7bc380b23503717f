"""Resolve songs as clients name them to song ids. New metadata fills gaps and never overwrites.

A new song counts as the song that differs from it in typography alone. Two transactions do not see each other's songs;
so where that can go wrong the song is left to be filed (`worker.statistics.rollups.filing`).
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from worker.contract.events import SongName, SongRef
from worker.contract.identity import artist_identity, hides_characters, twin_identity
from worker.database.statement import Statement

_COLUMNS: Final = {
    "identity": "uuid",
    "artist": "text",
    "title": "text",
    "album": "text",
    "artist_identity": "uuid",
    "twin_identity": "uuid",
    "is_new": "boolean",
    "is_plain": "boolean",
    "hides": "boolean",
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
# The update has no condition, so RETURNING covers every song, even one created meanwhile by another
# transaction.
# The oldest of the songs of one twin identity, and what they count as. Subqueries and no joins, because PostgreSQL
# would sooner read all songs than look a few up; and `+ 0`, because it would look for the least id in the order of all
# songs.
_TWIN: Final = "(SELECT min(id + 0) FROM songs WHERE twin_identity = incoming.twin_identity)"
_COUNTS: Final = "(SELECT min(coalesce(counts_as_id, id)) FROM songs WHERE twin_identity = incoming.twin_identity)"
# Only a new song is compared with others, which costs a quarter of the statement. One that was found, but has been
# deleted meanwhile, is left to be filed.
# ORDER BY within, because PostgreSQL would otherwise merge the two levels, and look each twin up three times. Of twins
# in one batch the first counts, so names that hide characters come last. All spellings of an identity hide the same.
_UPSERT: Final = Statement(
    f"""
    INSERT INTO songs (identity, artist, title, album, artist_identity, twin_identity, merged_into_id, counts_as_id,
                       duration_ms, duration_set_ms, attributes, is_filed)
    SELECT identity, artist, title, album, coalesce(merged_identity, artist_identity), twin_identity, twin_id,
           counts_id, duration_ms, twin_duration_ms, attributes, is_new AND is_plain AND twin_id IS NULL
      FROM (
        SELECT incoming.*,
               CASE WHEN is_new THEN {_TWIN} END AS twin_id,
               CASE WHEN is_new THEN {_COUNTS} END AS counts_id,
               CASE WHEN is_new THEN (
                   SELECT max(duration_set_ms) FROM songs WHERE twin_identity = incoming.twin_identity
               ) END AS twin_duration_ms,
               CASE WHEN is_new THEN (
                   SELECT counts_as_identity FROM merges
                    WHERE subject = 'artist' AND identity = incoming.artist_identity
               ) END AS merged_identity
          FROM {{rows}} ORDER BY incoming.hides, incoming.identity
      ) AS found
     WHERE true
    ON CONFLICT (identity) DO UPDATE
       SET album = coalesce(songs.album, excluded.album),
           duration_ms = coalesce(songs.duration_ms, excluded.duration_ms),
           attributes = coalesce({{merged}}, songs.attributes, excluded.attributes),
           updated_at = CURRENT_TIMESTAMP
    RETURNING replace(CAST(identity AS text), '-', ''), id, album, duration_ms, CAST(attributes AS text)
    """,  # noqa: S608 -- SQL made of SQL
    _COLUMNS,
)
# Twins that are new in one statement do not see each other.
_LINK: Final = Statement(
    f"""
    UPDATE songs SET merged_into_id = found.twin_id, counts_as_id = found.counts_id
      FROM (SELECT incoming.*, {_TWIN} AS twin_id, {_COUNTS} AS counts_id FROM {{rows}}) AS found
     WHERE songs.identity = found.identity AND songs.twin_identity = found.twin_identity
       AND songs.id <> found.twin_id AND songs.merged_into_id IS NULL
    """,  # noqa: S608 -- SQL made of SQL
    {"identity": "uuid", "twin_identity": "uuid"},
)


@dataclass(slots=True)
class KnownSong:
    """A song's id, and which of its optional fields the database holds."""

    id: int
    has_album: bool
    has_duration: bool
    attributes: frozenset[str]

    def learns_from(self, song: SongRef) -> bool:
        """Whether the client sends something that the database lacks: the one rule of which gaps get filled."""
        return (
            (not self.has_album and bool(song.album))
            or (not self.has_duration and song.duration_ms is not None)
            or (song.ids is not None and not self.attributes.issuperset(song.ids))
        )

    def learn(self, stored: "KnownSong") -> None:
        """Note what the database holds meanwhile. Gaps are only ever filled."""
        self.has_album |= stored.has_album
        self.has_duration |= stored.has_duration
        self.attributes |= stored.attributes


def resolve_songs(connection: Connection, songs: Collection[SongRef]) -> dict[SongName, KnownSong]:
    """Return the songs by name; create new ones and fill gaps. Of several spellings the first one stands."""
    if not songs:
        return {}
    identities = {song.name: song.identity for song in songs}
    merged = _merged((identities[song.name], song) for song in songs)
    resolved = _known(_FIND.run(connection, [{"identity": identity} for identity in merged]))
    to_write = [
        _row(identity, song, is_new=identity not in resolved)
        for identity, song in merged.items()
        if identity not in resolved or resolved[identity].learns_from(song)
    ]
    if to_write:
        resolved |= _known(_UPSERT.run(connection, to_write))
        _link_twins(connection, to_write)
    return {name: resolved[identity] for name, identity in identities.items()}


def _merged(songs: Iterable[tuple[str, SongRef]]) -> dict[str, SongRef]:
    """Merge the mentions of each song, the first value of each field winning: an upsert may not meet a key twice."""
    merged: dict[str, SongRef] = {}
    for identity, song in songs:
        first = merged.setdefault(identity, song)
        if first is not song:
            merged[identity] = SongRef(
                title=first.title,
                artist=first.artist,
                album=first.album or song.album,
                duration_ms=first.duration_ms or song.duration_ms,
                ids={**(song.ids or {}), **(first.ids or {})},
            )
    return merged


def _link_twins(connection: Connection, written: Sequence[Mapping[str, Any]]) -> None:
    twins = Counter(row["twin_identity"] for row in written)
    if len(twins) < len(written):
        _LINK.run(connection, [row for row in written if twins[row["twin_identity"]] > 1])


def _row(identity: str, song: SongRef, *, is_new: bool) -> dict[str, Any]:
    return {
        "identity": identity,
        "artist": song.artist,
        "title": song.title,
        "album": song.album or None,
        "artist_identity": artist_identity(song.artist),
        "twin_identity": (twin := twin_identity(song.artist, song.title)),
        "is_new": is_new,
        "is_plain": twin == identity,
        "hides": twin != identity and hides_characters(song.artist, song.title),
        "duration_ms": song.duration_ms,
        "attributes": song.ids or None,
    }


def _known(rows: Iterable[Any]) -> dict[str, KnownSong]:
    return {
        identity: KnownSong(
            song_id, album is not None, duration_ms is not None, frozenset(json.loads(attributes or "{}"))
        )
        for identity, song_id, album, duration_ms, attributes in rows
    }
