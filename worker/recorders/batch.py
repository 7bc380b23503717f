"""Record one batch: users, songs, tracks, plays, favorites, preferences, stale days, dead letters, in this order.

Every transaction locks rows in the same order, so two that record the same things wait for each other and never
deadlock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import Accepted, PlayEvent, PreferenceEvent, SongName, SongRef
from worker.errors import InvalidEventError, Reason
from worker.failpoints import Point, hit
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.favorites import FavoriteToRecord, record_favorites
from worker.recorders.known import Known, Resolved
from worker.recorders.play_to_record import PlayToRecord
from worker.recorders.plays import record_plays
from worker.recorders.preferences import PreferenceToRecord, record_preferences
from worker.recorders.songs import KnownSong, resolve_songs
from worker.recorders.stale_days import mark_stale_days
from worker.recorders.tracks import NO_TRACK, TrackKey, resolve_tracks, track_key
from worker.recorders.users import resolve_users


@dataclass(frozen=True, kw_only=True)
class Recorded(Resolved):
    """The outcome of each entry, and the dead letters among them."""

    outcomes: dict[str, Outcome]
    dead: list[Letter]


def resolve_new(
    connection: Connection, accepted: Sequence[Accepted], *, known: Known, create_users: bool = True
) -> Resolved:
    """Create new users, songs and tracks, and fill gaps of known songs, in the caller's transaction.

    `record_batch` does this too. But another transaction that needs the same song waits until this one has committed,
    so with several drains a short transaction before the long one is faster (docs/decisions/0012).
    """
    users, new_users = _resolve_users(connection, accepted, known, create=create_users)
    recordable = [entry for entry in accepted if entry.event.user in users]
    song_ids, new_songs = _resolve_songs(connection, recordable, known)
    _, new_tracks = _resolve_tracks(connection, recordable, song_ids, known)
    return Resolved(users=new_users, songs=new_songs, tracks=new_tracks)


def record_batch(
    connection: Connection,
    accepted: Sequence[Accepted],
    letters: Sequence[Letter] = (),
    *,
    known: Known,
    create_users: bool = True,
) -> Recorded:
    """Write a batch in the caller's transaction. Replaying, reordering or splitting it gives the same rows."""
    users, new_users = _resolve_users(connection, accepted, known, create=create_users)
    recordable = [entry for entry in accepted if entry.event.user in users]
    song_ids, new_songs = _resolve_songs(connection, recordable, known)
    track_ids, new_tracks = _resolve_tracks(connection, recordable, song_ids, known)
    plays, favorites, preferences = _by_type(recordable, users, song_ids, track_ids)

    recorded_plays = record_plays(connection, plays, known.plays)
    outcomes = recorded_plays.outcomes
    hit(Point.MID_TRANSACTION)
    outcomes |= record_favorites(connection, favorites)
    outcomes |= record_preferences(connection, preferences)
    mark_stale_days(connection, ((new.user_id, new.played_at, new.utc_offset_minutes) for new in recorded_plays.new))

    dead = [
        *letters,
        *(_unknown_user(entry) for entry in accepted if entry.event.user not in users),
        *(_id_conflict(entry) for entry in recordable if outcomes[entry.entry_id] is Outcome.DEAD),
    ]
    bury(connection, dead)
    outcomes |= {letter.entry_id: Outcome.DEAD for letter in dead}
    return Recorded(outcomes=outcomes, dead=dead, users=new_users, songs=new_songs, tracks=new_tracks)


def _resolve_users(
    connection: Connection, accepted: Sequence[Accepted], known: Known, *, create: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the ids of the batch's users by name, and those of them that were not cached."""
    names = {entry.event.user for entry in accepted}
    cached = {name: user_id for name in names if (user_id := known.users.get(name)) is not None}
    new = resolve_users(connection, names - cached.keys(), create=create)
    return cached | new, new


def _resolve_songs(
    connection: Connection, accepted: Sequence[Accepted], known: Known
) -> tuple[list[int], dict[SongName, KnownSong]]:
    """Return the song id of each entry, 0 for one without a song, and the songs that were not cached or have gaps."""
    song_ids: list[int] = []
    to_resolve: dict[int, SongRef] = {}
    for position, (_, _, event) in enumerate(accepted):
        cached = None
        if not isinstance(event, PreferenceEvent):
            cached = known.song(event.song)
            if cached is None:
                to_resolve[position] = event.song
        song_ids.append(cached.id if cached else 0)
    resolved = resolve_songs(connection, to_resolve.values())
    for position, song in to_resolve.items():
        song_ids[position] = resolved[song.name].id
    return song_ids, resolved


def _resolve_tracks(
    connection: Connection, accepted: Sequence[Accepted], song_ids: Sequence[int], known: Known
) -> tuple[list[int], dict[TrackKey, int]]:
    """Return the track id of each entry, and the tracks that were not cached."""
    track_ids: list[int] = []
    to_resolve: dict[int, TrackKey] = {}
    songs: dict[TrackKey, SongRef] = {}
    for position, ((_, _, event), song_id) in enumerate(zip(accepted, song_ids, strict=True)):
        track_id = NO_TRACK
        if isinstance(event, PlayEvent) and (key := track_key(song_id, event.song)) is not None:
            track_id = known.tracks.get(key, NO_TRACK)
            if not track_id:
                to_resolve[position] = key
                songs[key] = event.song
        track_ids.append(track_id)
    resolved = resolve_tracks(connection, songs)
    for position, key in to_resolve.items():
        track_ids[position] = resolved[key]
    return track_ids, resolved


def _by_type(
    accepted: Sequence[Accepted], users: dict[str, int], song_ids: Sequence[int], track_ids: Sequence[int]
) -> tuple[list[PlayToRecord], list[FavoriteToRecord], list[PreferenceToRecord]]:
    plays: list[PlayToRecord] = []
    favorites: list[FavoriteToRecord] = []
    preferences: list[PreferenceToRecord] = []
    for (entry_id, _, event), song_id, track_id in zip(accepted, song_ids, track_ids, strict=True):
        user_id = users[event.user]
        if isinstance(event, PlayEvent):
            plays.append(PlayToRecord.of(entry_id, event, user_id, song_id, track_id))
        elif isinstance(event, PreferenceEvent):
            preferences.append(PreferenceToRecord(entry_id, event, user_id))
        else:
            favorites.append(FavoriteToRecord(entry_id, event, user_id, song_id))
    return plays, favorites, preferences


def _unknown_user(entry: Accepted) -> Letter:
    error = InvalidEventError(Reason.UNKNOWN_USER, "user: does not exist, and ZIK_UNKNOWN_USERS is reject")
    return Letter(entry.entry_id, entry.payload, error)


def _id_conflict(entry: Accepted) -> Letter:
    rule = "another play of this user has it, with another song or time; make a new id for each play"
    return Letter(entry.entry_id, entry.payload, InvalidEventError(Reason.ID_CONFLICT, f"id: {rule}"))
