"""Edit a play: it keeps its id and its track, and what it was before is kept, so that the edit can be taken back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import Connection, Engine, select, update

from worker.contract.codec import decode, encode
from worker.contract.events import PlayEvent, SongRef
from worker.contract.identity import canonical_title
from worker.database.engine import transaction
from worker.errors import PlayNotFoundError, PlayTakenError
from worker.models import CorrectedPlay, PlayHistory, Song, Track
from worker.operations.corrections.versions import STORED, Version, keep_before_edit, lock, values_of
from worker.recorders.songs import resolve_songs
from worker.recorders.tracks import NO_TRACK, resolve_tracks, track_key


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What becomes of a play; None leaves a field as it is. `time` is RFC 3339, with an offset or `Z`."""

    time: str | None = None
    artist: str | None = None
    title: str | None = None
    ms_played: int | None = None


def edit(engine: Engine, user_id: int, play_id: UUID, changes: Changes, *, now: datetime) -> bool:
    """Change a play that counts. Returns whether anything is different now. The rules are those of the event contract.

    Raises:
        InvalidEventError: a value breaks a rule of the contract.
        PlayNotFoundError: the user has no such play, or it is deleted.
        PlayTakenError: another play has the new moment and song.
    """
    with transaction(engine) as session:
        connection = session.connection()
        own = (PlayHistory.user_id == user_id, PlayHistory.id == play_id)
        names = (Song.artist, Song.title, Song.legacy_track_id, Song.legacy_duration_ms)
        found = select(*STORED, *names).join(Song, Song.id == PlayHistory.song_id).where(*own)
        play = connection.execute(found).mappings().one_or_none() if lock(connection, user_id) else None
        if play is None:
            raise PlayNotFoundError(play_id)
        values = _edited(connection, play, _event(play, changes, now), changes)
        if values == values_of(play):
            return False
        _check_free(connection, user_id, play_id, values)
        keep_before_edit(connection, play)
        connection.execute(update(PlayHistory).where(*own).values(values))
    return True


def _event(play: Version, changes: Changes, now: datetime) -> PlayEvent:
    """The edited play as the contract accepts it."""
    fields: dict[str, Any] = {
        "type": "play",
        "user": "-",
        "time": changes.time or play["played_at"].isoformat(),
        "song": {"artist": changes.artist or play["artist"], "title": changes.title or play["title"]},
    }
    if changes.ms_played is not None:
        fields["ms_played"] = changes.ms_played
    return cast("PlayEvent", decode(encode(fields), now=now))


def _edited(connection: Connection, play: Version, event: PlayEvent, changes: Changes) -> dict[str, Any]:
    values = values_of(play)
    if changes.time is not None:
        moment = event.time
        values |= {"played_at": moment.at, "utc_offset_minutes": moment.offset_minutes, "reported_at": None}
    if changes.artist is not None or changes.title is not None:
        values |= _moved(connection, play, event.song)
    if changes.ms_played is not None:
        values["ms_played"] = event.ms_played
    return values


def _moved(connection: Connection, play: Version, song: SongRef) -> dict[str, Any]:
    """The play as one of another song: with the album, artists and duration that it has."""
    track_id, duration_ms = play["track_id"], play["duration_ms"]
    if track_id is None:
        track_id, duration_ms = play["legacy_track_id"], play["legacy_duration_ms"]
    told = connection.execute(
        select(Track.album, Track.album_artist, Track.artists).where(Track.id == track_id)
    ).first()
    album, album_artist, artists = told or (None, None, None)
    song = replace(
        song,
        album=album,
        duration_ms=duration_ms,
        artists=artists and tuple(_renamed(name, play["artist"], song.artist) for name in artists),
        album_artist=album_artist and _renamed(album_artist, play["artist"], song.artist),
    )
    song_id = resolve_songs(connection, [song])[song.name].id
    if song_id == play["song_id"]:
        return {}
    key = track_key(song_id, song)
    moved_to = NO_TRACK if key is None else resolve_tracks(connection, {key: song})[key]
    return {"song_id": song_id, "track_id": moved_to, "duration_ms": duration_ms}


def _renamed(name: str, old: str, new: str) -> str:
    """The name of an artist of the play, corrected if it is the one that was."""
    return new if canonical_title(name) == canonical_title(old) else name


def _check_free(connection: Connection, user_id: int, play_id: UUID, values: Version) -> None:
    """No other play of the user may be recognised by the new moment and song, not even a deleted one."""
    for table in (PlayHistory, CorrectedPlay):
        same = select(table.id).where(
            table.user_id == user_id,
            table.played_at == values["played_at"],
            table.song_id == values["song_id"],
            table.id != play_id,
        )
        other = connection.scalar(same.limit(1))
        if other is not None:
            raise PlayTakenError(other)
