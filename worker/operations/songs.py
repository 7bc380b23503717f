"""Songs of the catalogue: what was told of them, and a duration that a person sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Row, case, func, or_, select, update

from worker.database.engine import transaction
from worker.errors import SongNotFoundError
from worker.models import PlayHistory, Song, Track

# A song's duration as told counts from one second to a day. Nothing else is the length of a song.
SHORTEST_MS: Final = 1_000
LONGEST_MS: Final = 86_400_000
# Bounds what the doctor looks at.
LATEST: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Told:
    """A value that clients sent with plays of a song, and with how many. None: they sent none."""

    value: Any
    plays: int


@dataclass(frozen=True, kw_only=True)
class SongFacts:
    """A song as the catalogue has it. `counts_as` names the song that its plays count for, None for itself.

    `durations` in ms and `albums` are as told, the most frequent first. Plays that a release before 0.3 recorded have
    neither of their own, and count with those of the catalogue.
    """

    artist: str
    title: str
    identity: UUID
    attributes: dict[str, Any] | None
    counts_as: tuple[str, str] | None
    duration_set_ms: int | None
    plays: int
    durations: Sequence[Told]
    albums: Sequence[Told]


def show(connection: Connection, artist: str, title: str) -> SongFacts:
    """The song of these names, in any spelling of the contract. Costs a look at each of its plays.

    Raises:
        SongNotFoundError: no song has these names.
    """
    song = _find(connection, artist, title)
    counts_as = (
        song.counts_as_id
        and connection.execute(select(Song.artist, Song.title).where(Song.id == song.counts_as_id)).one_or_none()
    )
    durations = _told(
        connection,
        song.id,
        case((PlayHistory.track_id.is_(None), Song.legacy_duration_ms), else_=PlayHistory.duration_ms),
    )
    return SongFacts(
        artist=song.artist,
        title=song.title,
        identity=song.identity,
        attributes=song.attributes,
        counts_as=counts_as and (counts_as.artist, counts_as.title),
        duration_set_ms=song.duration_set_ms,
        plays=sum(each.plays for each in durations),
        durations=durations,
        albums=_told(connection, song.id, Track.album),
    )


def set_duration(engine: Engine, artist: str, title: str, duration_ms: int | None) -> int:
    """Let all plays of a song be judged by this duration, or, if it is None, by what was sent with them again.

    A song and those that count as the same have one duration. Events that come later change nothing of it. Returns how
    many songs have another duration now.

    Raises:
        SongNotFoundError: no song has these names.
    """
    with transaction(engine) as session:
        song = _find(session.connection(), artist, title)
        same = song.counts_as_id or song.id
        changed = session.execute(
            update(Song)
            .where(or_(Song.id == same, Song.counts_as_id == same), Song.duration_set_ms.is_distinct_from(duration_ms))
            .values(duration_set_ms=duration_ms)
            .returning(Song.id)
        ).all()
    return len(changed)


def implausible(connection: Connection, *, most: int = 3) -> Sequence[tuple[str, str]]:
    """Artist and title of up to `most` songs whose duration as first told is none, among the `LATEST` new songs."""
    latest = select(Song.artist, Song.title, Song.duration_ms).order_by(Song.id.desc()).limit(LATEST).subquery().c
    found = select(latest.artist, latest.title).where(~latest.duration_ms.between(SHORTEST_MS, LONGEST_MS))
    return [(artist, title) for artist, title in connection.execute(found.limit(most))]


def _find(connection: Connection, artist: str, title: str) -> Row[Any]:
    wanted = select(*Song.__table__.c).where(Song.is_named(artist, title)).order_by(Song.id).limit(1)
    found = connection.execute(wanted).one_or_none()
    if found is None:
        raise SongNotFoundError(artist, title)
    return found


def _told(connection: Connection, song_id: int, value: ColumnElement[Any] | Any) -> Sequence[Told]:
    track_id = func.coalesce(PlayHistory.track_id, Song.legacy_track_id)
    plays = func.count().label("plays")
    told = (
        select(value.label("value"), plays)
        .join_from(PlayHistory, Song, Song.id == PlayHistory.song_id)
        .outerjoin(Track, Track.id == track_id)
        .where(PlayHistory.song_id == song_id)
        .group_by(value)
        .order_by(plays.desc(), value)
    )
    return [Told(value=each.value, plays=each.plays) for each in connection.execute(told)]
