"""Record one batch: users, songs, tracks, plays, favorites, preferences, stale days, dead letters, in this order.

Every transaction locks rows in the same order, so two that record the same things wait for each other and never
deadlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import Accepted, PlayEvent, PreferenceEvent, SongName, SongRef
from worker.errors import InvalidEventError, Reason
from worker.failpoints import Point, hit
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.favorites import FavoriteToRecord, record_favorites
from worker.recorders.known import Known, Naming, Place, Resolved, naming
from worker.recorders.play_to_record import PlayToRecord
from worker.recorders.plays import record_plays
from worker.recorders.preferences import PreferenceToRecord, record_preferences
from worker.recorders.songs import KnownSong, resolve_songs
from worker.recorders.stale_days import mark_stale_days
from worker.recorders.tracks import NO_TRACK, resolve_tracks, track_key
from worker.recorders.users import resolve_users


@dataclass(frozen=True, kw_only=True)
class Recorded(Resolved):
    """The outcome of each entry, and the dead letters among them."""

    outcomes: dict[str, Outcome]
    dead: list[Letter]


class Assigned(NamedTuple):
    """A batch with its ids. `unknown` are the events whose user, song or track has none yet."""

    plays: list[PlayToRecord]
    favorites: list[FavoriteToRecord]
    preferences: list[PreferenceToRecord]
    unknown: list[Accepted]

    def completed(self, unknown: "Assigned") -> "Assigned":
        """The batch with what its unknown events have been assigned meanwhile."""
        return Assigned(
            self.plays + unknown.plays,
            self.favorites + unknown.favorites,
            self.preferences + unknown.preferences,
            unknown.unknown,
        )


_NOTHING: Final = Resolved(users={}, songs={}, places={})


def assign(accepted: Sequence[Accepted], known: Known, resolved: Resolved = _NOTHING) -> Assigned:
    """Give each event the ids of its user, song and track, in one look at the cache where that covers it."""
    plays: list[PlayToRecord] = []
    favorites: list[FavoriteToRecord] = []
    preferences: list[PreferenceToRecord] = []
    unknown: list[Accepted] = []
    for entry in accepted:
        entry_id, _, event = entry
        user_id = known.users.get(event.user) or resolved.users.get(event.user)
        if user_id is None:
            unknown.append(entry)
        elif isinstance(event, PlayEvent):
            if place := known.place(event.song) or resolved.places.get(naming(event.song)):
                plays.append(PlayToRecord.of(entry_id, event, user_id, place.song.id, place.track_id))
            else:
                unknown.append(entry)
        elif isinstance(event, PreferenceEvent):
            preferences.append(PreferenceToRecord(entry_id, event, user_id))
        elif song := known.song(event.song) or resolved.songs.get(event.song.name):
            favorites.append(FavoriteToRecord(entry_id, event, user_id, song.id))
        else:
            unknown.append(entry)
    return Assigned(plays, favorites, preferences, unknown)


def resolve_new(
    connection: Connection, accepted: Sequence[Accepted], *, known: Known, create_users: bool = True
) -> Resolved:
    """Look up users, songs and tracks, create new ones, and fill gaps of songs, in the caller's transaction.

    `record_batch` does this too. But another transaction that needs the same song waits until this one has committed,
    so with several drains a short transaction before the long one is faster (docs/decisions/0012).
    """
    users = _resolve_users(connection, accepted, known, create=create_users)
    recordable = [entry.event for entry in accepted if entry.event.user in users]
    songs = _resolve_songs(
        connection, [event.song for event in recordable if not isinstance(event, PreferenceEvent)], known
    )
    played = {naming(event.song): event.song for event in recordable if isinstance(event, PlayEvent)}
    return Resolved(users=users, songs=songs, places=_resolve_places(connection, played, songs))


def record_batch(  # noqa: PLR0913 -- what a batch is recorded from, and the last one may be left out
    connection: Connection,
    accepted: Sequence[Accepted],
    letters: Sequence[Letter] = (),
    *,
    known: Known,
    create_users: bool = True,
    assigned: Assigned | None = None,
) -> Recorded:
    """Write a batch in the caller's transaction. Replaying, reordering or splitting it gives the same rows.

    `assigned` is what `assign` has found for `accepted`, if the caller has looked already.
    """
    resolved = _NOTHING
    batch = assigned or assign(accepted, known)
    if batch.unknown:
        resolved = resolve_new(connection, batch.unknown, known=known, create_users=create_users)
        batch = batch.completed(assign(batch.unknown, known, resolved))

    recorded_plays = record_plays(connection, batch.plays, known.plays)
    outcomes = recorded_plays.outcomes
    hit(Point.MID_TRANSACTION)
    outcomes |= record_favorites(connection, batch.favorites)
    outcomes |= record_preferences(connection, batch.preferences)
    mark_stale_days(connection, ((new.user_id, new.played_at, new.utc_offset_minutes) for new in recorded_plays.new))

    dead = [*letters, *map(_unknown_user, batch.unknown)]
    if Outcome.DEAD in outcomes.values():
        dead += [_id_conflict(entry) for entry in accepted if outcomes.get(entry.entry_id) is Outcome.DEAD]
    bury(connection, dead)
    outcomes |= {letter.entry_id: Outcome.DEAD for letter in dead}
    return Recorded(outcomes=outcomes, dead=dead, users=resolved.users, songs=resolved.songs, places=resolved.places)


def _resolve_users(
    connection: Connection, accepted: Sequence[Accepted], known: Known, *, create: bool
) -> dict[str, int]:
    """Return the ids of the events' users by name."""
    names = {entry.event.user for entry in accepted}
    cached = {name: user_id for name in names if (user_id := known.users.get(name)) is not None}
    return cached | resolve_users(connection, names - cached.keys(), create=create)


def _resolve_songs(connection: Connection, songs: Sequence[SongRef], known: Known) -> dict[SongName, KnownSong]:
    """Return the songs by name, with no gap that one of these could fill."""
    cached: dict[SongName, KnownSong] = {}
    to_resolve: list[SongRef] = []
    for song in songs:
        if (found := known.song(song)) is None:
            to_resolve.append(song)
        else:
            cached[song.name] = found
    return cached | resolve_songs(connection, to_resolve)


def _resolve_places(
    connection: Connection, played: Mapping[Naming, SongRef], songs: Mapping[SongName, KnownSong]
) -> dict[Naming, Place]:
    keys = {key: track_key(songs[song.name].id, song) for key, song in played.items()}
    to_resolve = {track: played[key] for key, track in keys.items() if track is not None}
    track_ids = resolve_tracks(connection, to_resolve)
    return {
        key: Place(songs[played[key].name], NO_TRACK if track is None else track_ids[track])
        for key, track in keys.items()
    }


def _unknown_user(entry: Accepted) -> Letter:
    error = InvalidEventError(Reason.UNKNOWN_USER, "user: does not exist, and ZIK_UNKNOWN_USERS is reject")
    return Letter(entry.entry_id, entry.payload, error)


def _id_conflict(entry: Accepted) -> Letter:
    rule = "another play of this user has it, with another song or time; make a new id for each play"
    return Letter(entry.entry_id, entry.payload, InvalidEventError(Reason.ID_CONFLICT, f"id: {rule}"))
