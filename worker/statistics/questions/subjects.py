"""The subjects of questions: which song, artists and album the plays of a track count for, and their names."""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Select,
    SelectBase,
    Subquery,
    Uuid,
    case,
    cast,
    func,
    null,
    select,
    union,
    union_all,
)
from sqlalchemy.orm import aliased

from worker.models import Merge, Song, Track, TrackArtist

_Rows = Select[*tuple[Any, ...]]
_LISTED: Final = aliased(TrackArtist)
# A song that is not filed yet counts as an artist of its own.
_ARTIST: Final = func.coalesce(_LISTED.artist_identity, Song.artist_identity, Song.identity)

# With a type, because PostgreSQL takes a null without one for a text, and unites it with no number.
_NONE: Final = cast(null(), BigInteger)
# SQLite unites five hundred selects at most.
_AT_ONCE: Final = 100


@unique
class Subject(StrEnum):
    SONG = "song"
    ARTIST = "artist"
    ALBUM = "album"


def filed(rows: FromClause, subject: Subject) -> _Rows:
    """Rows of `song_id` and `track_id` with the identity `filed_under`, each once for each subject of its track.

    A track counts for every artist that its client listed, else for the artist of its song; and for its own album, if
    it has one. `named_song_id` and `named_track_id` say where `named` finds the name of an artist or album.
    """
    return _FILED[subject](rows)


def _under_songs(rows: FromClause) -> _Rows:
    return _joined(rows, Song.identity, rows.c.song_id, _NONE).join(Song, Song.id == rows.c.song_id)


def _under_artists(rows: FromClause) -> _Rows:
    song_id = case((_LISTED.track_id.is_(None), rows.c.song_id))
    return (
        _joined(rows, _ARTIST, song_id, _LISTED.track_id)
        .join(Song, Song.id == rows.c.song_id)
        .outerjoin(_LISTED, _LISTED.track_id == rows.c.track_id)
    )


def _under_albums(rows: FromClause) -> _Rows:
    return _joined(rows, Track.album_identity, _NONE, rows.c.track_id).join(Track, Track.id == rows.c.track_id)


def _joined(rows: FromClause, key: Any, song_id: ColumnElement[Any], track_id: Any) -> _Rows:
    columns = (key.label("filed_under"), song_id.label("named_song_id"), track_id.label("named_track_id"))
    return select(*rows.c, *columns).select_from(rows)


_FILED: Final[Mapping[Subject, Callable[[FromClause], _Rows]]] = {
    Subject.SONG: _under_songs,
    Subject.ARTIST: _under_artists,
    Subject.ALBUM: _under_albums,
}


def may_count_for(subject: Subject, identities: Collection[UUID]) -> SelectBase:
    """The ids of the songs whose plays may count for some subjects: all of a song, a few tracks of it for others.

    Costs a look at each of these songs, and at the tracks that list an artist.
    """
    counting = select(func.coalesce(Song.counts_as_id, Song.id))
    if subject is Subject.SONG:
        return counting.where(Song.identity.in_(identities))
    if subject is Subject.ALBUM:
        return counting.join(Track, Track.song_id == Song.id).where(Track.album_identity.in_(identities))
    listed = counting.join(Track, Track.song_id == Song.id).join(TrackArtist, TrackArtist.track_id == Track.id)
    # Each by an index of its own: for an OR, both databases read the whole catalogue.
    return union(
        counting.where(Song.artist_identity.in_(identities)),
        counting.where(Song.artist_identity.is_(None), Song.identity.in_(identities)),
        listed.where(TrackArtist.artist_identity.in_(identities)),
    )


def named(first: Subquery, subject: Subject) -> _Rows:
    """Artist, title and identity of rows of `filed`, or of groups with the least `named_song_id` and `named_track_id`.

    Of several spellings, the one that zik recorded first.
    """
    return _NAMED[subject](first)


class Filed(NamedTuple):
    """What is filed under one identity, and where its name is found, as `filed` says it. A song needs no identity."""

    filed_under: UUID | None
    named_song_id: int | None
    named_track_id: int | None = None

    @property
    def key(self) -> UUID | int | None:
        return self.filed_under or self.named_song_id


def names_of(connection: Connection, subject: Subject, found: Collection[Filed]) -> Mapping[Filed, Any]:
    """Rows of `artist`, `title` and `identity` of a few, each a part of the statement; of those that have a name."""
    names: dict[Filed, Any] = {}
    wanted = list(found)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = union_all(*map(_literal, wanted[start : start + _AT_ONCE])).subquery()
        statement = named(rows, subject).add_columns(*(rows.c[name] for name in Filed._fields))
        names |= {Filed(*row[-len(Filed._fields) :]): row for row in connection.execute(statement)}
    return names


def _literal(one: Filed) -> _Rows:
    identity = cast(one.filed_under, Uuid[UUID]()).label("filed_under")
    song_id, track_id = (cast(number, BigInteger) for number in (one.named_song_id, one.named_track_id))
    return select(identity, song_id.label("named_song_id"), track_id.label("named_track_id"))


def _songs_named(first: Subquery) -> _Rows:
    return select(Song.artist, Song.title, Song.identity).join(first, first.c.named_song_id == Song.id)


def _artists_named(first: Subquery) -> _Rows:
    """The name that others were merged into comes first."""
    listed = (
        select(TrackArtist.name)
        .where(TrackArtist.track_id == first.c.named_track_id, TrackArtist.artist_identity == first.c.filed_under)
        .limit(1)
        .scalar_subquery()
    )
    artist = func.coalesce(_merged_name(first.c.filed_under), Song.artist, listed).label("artist")
    identity = first.c.filed_under.label("identity")
    return select(artist, null().label("title"), identity).outerjoin_from(first, Song, Song.id == first.c.named_song_id)


def _albums_named(first: Subquery) -> _Rows:
    merged = _merged_name(Track.merged_artist_identity)
    artist = func.coalesce(merged, Track.album_artist, Track.artists[0].as_string(), Song.artist).label("artist")
    return (
        select(artist, Track.album.label("title"), first.c.filed_under.label("identity"))
        .join(first, first.c.named_track_id == Track.id)
        .join(Song, Song.id == Track.song_id)
    )


def _merged_name(artist: Any) -> ScalarSelect[Any]:
    """The name of an artist whom others were merged into; null without a merge."""
    name = select(func.min(Merge.into_artist))
    return name.where(Merge.subject == Subject.ARTIST.value, Merge.into_identity == artist).scalar_subquery()


_NAMED: Final[Mapping[Subject, Callable[[Subquery], _Rows]]] = {
    Subject.SONG: _songs_named,
    Subject.ARTIST: _artists_named,
    Subject.ALBUM: _albums_named,
}
