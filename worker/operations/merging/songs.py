"""Merge songs and split them. Plays and songs stay as they were told; only what they count as changes."""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, select, update

from worker.contract.identity import apart_identity
from worker.database.engine import transaction
from worker.errors import MergeRefusedError, SongNotFoundError
from worker.models import Song
from worker.operations.merging.recording import lock_catalogue, record_merge, take_merge_back
from worker.statistics.rollups.filing import file, heads, link_twins
from worker.statistics.rollups.merges import SONG, merges_of


@unique
class Split(StrEnum):
    """What a split has taken back."""

    MERGE = "merge"
    TWIN = "twin"


@dataclass(frozen=True)
class CatalogueSong:
    """A song of the catalogue, with its first spelling."""

    id: int
    artist: str
    title: str


def song_by_id(connection: Connection, song_id: int) -> CatalogueSong:
    """The song with this id. Raises MergeRefusedError if there is none."""
    song = _first(connection, Song.id == song_id)
    if song is None:
        raise MergeRefusedError(f"there is no song {song_id}", way_out="see `zik song twins`, or name artist and title")
    return song


def find_song(connection: Connection, artist: str, title: str) -> CatalogueSong:
    """The song of these names, else the oldest of those that differ from them in typography alone.

    Raises:
        SongNotFoundError: no song has such names.
    """
    song = _first(connection, Song.is_named(artist, title))
    if song is None:
        raise SongNotFoundError(artist, title)
    return song


def _first(connection: Connection, condition: ColumnElement[bool]) -> CatalogueSong | None:
    found = connection.execute(select(Song.id, Song.artist, Song.title).where(condition).order_by(Song.id).limit(1))
    row = found.first()
    return None if row is None else CatalogueSong(*row)


def merge_songs(engine: Engine, song_id: int, into_id: int) -> None:
    """Let a song, its twins and what is merged into it count as another song, now and with later spellings.

    Recorders of new songs wait meanwhile, so that no twin is missed.

    Raises:
        MergeRefusedError: the two count as one already, or the first is merged into another one. Nothing changes.
    """
    with transaction(engine) as session:
        connection = session.connection()
        lock_catalogue(connection)
        song, into = _filed(connection, song_id), _filed(connection, into_id)
        merges = record_merge(connection, SONG, song.twin_identity, into.twin_identity)
        link_twins(connection, [song.twin_identity], merges)


def split_song(engine: Engine, song_id: int) -> Split:
    """Take back the merge of a song, which gives the state before; else take it from its twins, for good.

    What is merged into the song stays with it. A song that is taken from its twins counts for itself, or with what it
    is merged into later; spellings that come later are twins of the others.

    Raises:
        MergeRefusedError: the song counts for itself. Nothing changes.
    """
    with transaction(engine) as session:
        connection = session.connection()
        lock_catalogue(connection)
        song = _filed(connection, song_id)
        twin: UUID = song.twin_identity
        merges = merges_of(connection, SONG)
        if twin in merges.into:
            link_twins(connection, [twin], take_merge_back(connection, SONG, twin))
            return Split.MERGE
        if heads(connection, [twin])[twin] == song_id:
            raise MergeRefusedError(
                "the song counts for itself", way_out="name the one to be split from it: `zik song show` lists them"
            )
        apart = UUID(apart_identity(song.identity.hex))
        connection.execute(update(Song).where(Song.id == song_id).values(twin_identity=apart))
        link_twins(connection, [twin, apart], merges)
        return Split.TWIN


def _filed(connection: Connection, song_id: int) -> Any:
    """The song with its twin identity, which one of an older release does not have yet."""
    wanted = select(Song.identity, Song.twin_identity).where(Song.id == song_id)
    song = connection.execute(wanted).first()
    if song is not None and song.twin_identity is None:
        file(connection, [song_id])
        song = connection.execute(wanted).first()
    if song is None or song.twin_identity is None:
        raise MergeRefusedError(f"there is no song {song_id}, or it is locked", way_out="try again")
    return song
