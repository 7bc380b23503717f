"""Leave songs and artists out of one user's statistics, and count them again. Every play stays as it was recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from worker.contract.identity import artist_identity, twin_identity
from worker.database.engine import transaction
from worker.errors import ArtistNotFoundError, SongNotFoundError
from worker.models import LeftOut, Merge, Song, TrackArtist
from worker.operations.corrections.versions import lock
from worker.statistics.rollups.merges import ARTIST, SONG


@dataclass(frozen=True, kw_only=True)
class LeftOutName:
    """What a user leaves out, as it was named: a song, or an artist if `title` is None."""

    identity: UUID
    artist: str
    title: str | None
    since: datetime


def leave_out(engine: Engine, user_id: int, artist: str, title: str | None = None) -> bool:
    """Leave out a song, or without a title an artist: twins, merges and what is recorded later, too.

    An artist is left out with every song of theirs, and with every play that lists them. Returns whether anything is
    different now.

    Raises:
        SongNotFoundError, ArtistNotFoundError: nothing has this name.
    """
    with transaction(engine) as session:
        connection = session.connection()
        subject, identity = _named(connection, artist, title)
        if not _is_known(connection, subject, identity):
            raise ArtistNotFoundError(artist) if title is None else SongNotFoundError(artist, title)
        return _add(connection, user_id, identity, artist, title)


def leave_out_shown(engine: Engine, user_id: int, subject: str, identity: UUID) -> bool:
    """Leave out a song or an artist, `identity` as questions identify them. Returns whether anything is changed."""
    with transaction(engine) as session:
        connection = session.connection()
        named = _song_shown(connection, identity) if subject == SONG else _artist_shown(connection, identity)
        return named is not None and _add(connection, user_id, *named)


def count_again(engine: Engine, user_id: int, artist: str, title: str | None = None) -> bool:
    """Count a song or an artist again. Returns whether anything is different now."""
    with transaction(engine) as session:
        connection = session.connection()
        return _remove(connection, user_id, *_named(connection, artist, title))


def count_identity_again(engine: Engine, user_id: int, subject: str, identity: UUID) -> bool:
    """Count again what `left_out` lists with this identity. Returns whether anything is different now."""
    with transaction(engine) as session:
        return _remove(session.connection(), user_id, subject, identity)


def left_out(connection: Connection, user_id: int) -> Sequence[LeftOutName]:
    """What a user leaves out, by name."""
    rows = connection.execute(select(LeftOut.__table__).where(LeftOut.user_id == user_id))
    return sorted(map(_name, rows), key=lambda each: (each.artist, each.title or ""))


def why_left_out(connection: Connection, user_id: int, subject: str, identity: UUID) -> LeftOutName | None:
    """What a user leaves out that a song or an artist belongs to. `identity` is as questions identify them."""
    asked = [(subject, identity)]
    if subject == SONG:
        song = connection.execute(
            select(Song.twin_identity, Song.artist_identity).where(Song.identity == identity)
        ).first()
        asked = [] if song is None else [(SONG, song.twin_identity), (ARTIST, song.artist_identity)]
    for each in asked:
        for row in _rows(connection, user_id, *each):
            return _name(row)
    return None


def _name(row: Row[Any]) -> LeftOutName:
    return LeftOutName(identity=row.identity, artist=row.artist, title=row.title, since=row.created_at)


def _add(connection: Connection, user_id: int, identity: UUID, artist: str, title: str | None) -> bool:
    subject = ARTIST if title is None else SONG
    # The user before the table, as who erases the user does.
    if not lock(connection, user_id) or _rows(connection, user_id, subject, identity):
        return False
    row = {"user_id": user_id, "subject": subject, "identity": identity, "artist": artist, "title": title}
    connection.execute(insert(LeftOut).values(row))
    return True


def _remove(connection: Connection, user_id: int, subject: str, identity: UUID) -> bool:
    if not lock(connection, user_id):
        return False
    rows = _rows(connection, user_id, subject, identity)
    own = (LeftOut.user_id == user_id, LeftOut.subject == subject)
    connection.execute(delete(LeftOut).where(*own, LeftOut.identity.in_([row.identity for row in rows])))
    return bool(rows)


def _song_shown(connection: Connection, identity: UUID) -> tuple[UUID, str, str] | None:
    song = connection.execute(select(Song.artist, Song.title).where(Song.identity == identity)).first()
    return None if song is None else (_named(connection, *song)[1], song.artist, song.title)


def _artist_shown(connection: Connection, identity: UUID) -> tuple[UUID, str, None] | None:
    names = (
        select(func.min(Merge.into_artist)).where(Merge.subject == ARTIST, Merge.into_identity == identity),
        select(Song.artist).where(Song.artist_identity == identity).order_by(Song.id).limit(1),
        select(TrackArtist.name).where(TrackArtist.artist_identity == identity).order_by(TrackArtist.track_id).limit(1),
    )
    name = next((name for each in names if (name := connection.scalar(each))), None)
    return None if name is None else (identity, name, None)


def _named(connection: Connection, artist: str, title: str | None) -> tuple[str, UUID]:
    """The subject of a name, and the identity that its twins share."""
    if title is None:
        return ARTIST, UUID(artist_identity(artist))
    # A song that was split from its twins has an identity that its names do not tell.
    stored = select(Song.twin_identity).where(Song.is_named(artist, title)).limit(1)
    return SONG, connection.scalar(stored) or UUID(twin_identity(artist, title))


def _is_known(connection: Connection, subject: str, identity: UUID) -> bool:
    of_song, of_artist = Song.twin_identity == identity, Song.artist_identity == identity
    known = [
        select(Song.id).where(of_song if subject == SONG else of_artist),
        select(TrackArtist.track_id).where(TrackArtist.artist_identity == identity),
        # A name that counts as another one stands nowhere else.
        select(Merge.identity).where(Merge.subject == subject, Merge.identity == identity),
    ]
    return any(connection.execute(each.limit(1)).first() for each in known)


def _rows(connection: Connection, user_id: int, subject: str, identity: UUID) -> Sequence[Row[Any]]:
    """The rows that mean the same as this identity, along all merges."""
    merged = select(Merge.counts_as_identity).where(Merge.subject == subject)
    end = connection.scalar(merged.where(Merge.identity == identity)) or identity
    of_row = merged.where(Merge.identity == LeftOut.identity).scalar_subquery()
    wanted = select(LeftOut.__table__).where(LeftOut.user_id == user_id, LeftOut.subject == subject)
    return connection.execute(wanted.where(func.coalesce(of_row, LeftOut.identity) == end)).all()
