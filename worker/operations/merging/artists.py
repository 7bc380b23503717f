"""Merge artists and split them: their songs, the tracks that list them, and their albums are filed again."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, exists, insert, or_, select

from worker.contract.identity import artist_identity
from worker.database.engine import transaction, without_statement_timeout
from worker.errors import DatabaseUnavailableError, MergeRefusedError
from worker.models import Merge, Song, StaleHistory, Track, TrackArtist
from worker.operations.merging.recording import lock_catalogue, record_merge, take_merge_back
from worker.statistics.rollups.filing import file
from worker.statistics.rollups.marks import new_mark
from worker.statistics.rollups.merges import ARTIST, Merges, merges_of

_AT_ONCE: Final = 1_000
Part = TypeVar("Part")


def merge_artists(engine: Engine, artist: str, into: str) -> int:
    """Let an artist, and who is merged into it, count as another one, now and later. Returns how many songs move.

    Raises:
        MergeRefusedError: zik knows no such artist, the two count as one already, or the first is merged into another.
    """
    with transaction(without_statement_timeout(engine)) as session:
        connection = session.connection()
        lock_catalogue(connection)
        before = merges_of(connection, ARTIST)
        identity, into_identity = (_known(connection, name) for name in (artist, into))
        songs = _of(connection, identity, before)
        shown = _of(connection, before.end(into_identity), before)
        record_merge(connection, ARTIST, identity, into_identity, into_artist=into)
        _mark_charts(connection, shown)
        return _file(connection, songs)


def split_artist(engine: Engine, artist: str) -> int:
    """Take back the merge of an artist: the state before. Returns how many songs were looked at.

    Raises:
        MergeRefusedError: the artist is not merged into another one.
    """
    with transaction(without_statement_timeout(engine)) as session:
        connection = session.connection()
        lock_catalogue(connection)
        before = merges_of(connection, ARTIST)
        identity = UUID(artist_identity(artist))
        if identity not in before.into:
            raise MergeRefusedError("the artist is not merged into another one", way_out="nothing was changed")
        songs = _of(connection, before.end(identity), before)
        take_merge_back(connection, ARTIST, identity)
        _mark_charts(connection, songs)
        return _file(connection, songs)


def _known(connection: Connection, name: str) -> UUID:
    identity = UUID(artist_identity(name))
    named = or_(
        exists().where(Song.artist_identity == identity),
        exists().where(TrackArtist.artist_identity == identity),
        exists().where(Merge.subject == ARTIST, Merge.identity == identity),
    )
    if not connection.scalar(select(named)):
        raise MergeRefusedError(
            "no song has an artist of that name", way_out="check the spelling with `zik top artists`"
        )
    return identity


def _of(connection: Connection, identity: UUID, merges: Merges) -> list[int]:
    """The songs that are filed under an artist, or have a track that lists it or is on an album of it."""
    listed = select(Track.song_id).join(TrackArtist, TrackArtist.track_id == Track.id)
    found = set(connection.scalars(select(Song.id).where(Song.artist_identity == identity)))
    found |= set(connection.scalars(listed.where(TrackArtist.artist_identity == identity)))
    for names in _parts(list(_spellings(connection, identity, merges))):
        found |= set(connection.scalars(select(Track.song_id).where(Track.album_artist.in_(names))))
    return sorted(found)


def _spellings(connection: Connection, identity: UUID, merges: Merges) -> Iterator[str]:
    """The names of album artists that count as this artist."""
    for name in connection.scalars(select(Track.album_artist).where(Track.album_artist.is_not(None)).distinct()):
        if name is not None and merges.end(UUID(artist_identity(name))) == identity:
            yield name


def _parts(rows: Sequence[Part]) -> Iterator[Sequence[Part]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


def _mark_charts(connection: Connection, songs: Sequence[int]) -> None:
    """The artist of these songs may be shown by another name now."""
    if songs:
        rows = [{"mark": new_mark(), "song_id": song_id, "charts_only": True} for song_id in songs]
        connection.execute(insert(StaleHistory), rows)


def _file(connection: Connection, songs: list[int]) -> int:
    for some in _parts(songs):
        if file(connection, some) < len(some):
            raise DatabaseUnavailableError(
                "another transaction has locked songs, and nothing was changed", way_out="try again", is_locked=True
            )
    return len(songs)
