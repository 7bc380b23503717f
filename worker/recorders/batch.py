"""Record one batch: users, songs, plays, favorites, preferences, stale days, dead letters, always in this order."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from worker.books import Outcome
from worker.contract.events import Accepted, PlayEvent, PreferenceEvent, SongName, SongRef
from worker.errors import InvalidEventError, Reason
from worker.failpoints import Point, hit
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.favorites import FavoriteToRecord, record_favorites
from worker.recorders.known import BoundedCache, Known, Resolved, _well_known
from worker.recorders.plays import PlayToRecord, record_plays
from worker.recorders.preferences import PreferenceToRecord, record_preferences
from worker.recorders.songs import KnownSong, resolve_songs
from worker.recorders.stale_days import mark_stale_days
from worker.recorders.users import resolve_users


@dataclass(frozen=True, kw_only=True)
class Recorded(Resolved):
    """What became of each entry."""

    outcomes: dict[str, Outcome]
    dead: list[Letter]


def resolve_new(
    connection: Connection, accepted: Sequence[Accepted], *, known: Known, create_users: bool = True
) -> Resolved:
    """Make the users and songs that are new, or fill a song's gaps, in the caller's transaction.

    `record_batch` does it, too. But whoever needs the same song waits until that transaction has committed, so where
    several record at once, a short one before it is worth its while (docs/decisions/0012).
    """
    users, new_users = _users(connection, accepted, known.users, create=create_users)
    _, new_songs = _song_ids(connection, [entry for entry in accepted if entry.event.user in users], known.songs)
    return Resolved(users=new_users, songs=new_songs)


def record_batch(
    connection: Connection,
    accepted: Sequence[Accepted],
    letters: Sequence[Letter] = (),
    *,
    known: Known,
    create_users: bool = True,
) -> Recorded:
    """Write a batch in the caller's transaction. Replaying it, reordering it or splitting it gives the same rows."""
    users, new_users = _users(connection, accepted, known.users, create=create_users)
    ours = [entry for entry in accepted if entry.event.user in users]
    song_ids, new_songs = _song_ids(connection, ours, known.songs)
    plays, favorites, preferences = _sorted_out(ours, users, song_ids)

    recorded_plays = record_plays(connection, plays, known.plays)
    outcomes = recorded_plays.outcomes
    hit(Point.MID_TRANSACTION)
    outcomes |= record_favorites(connection, favorites)
    outcomes |= record_preferences(connection, preferences)
    mark_stale_days(connection, ((new.user_id, new.played_at, new.utc_offset_minutes) for new in recorded_plays.new))

    dead = [*letters, *(_unknown_user(entry) for entry in accepted if entry.event.user not in users)]
    bury(connection, dead)
    outcomes |= {letter.entry_id: Outcome.DEAD for letter in dead}
    return Recorded(outcomes=outcomes, dead=dead, users=new_users, songs=new_songs)


def _users(
    connection: Connection, accepted: Sequence[Accepted], memory: BoundedCache[str, int], *, create: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """The ids of the batch's users, and those of them that the memory lacked."""
    names = {entry.event.user for entry in accepted}
    met = {name: user_id for name in names if (user_id := memory.get(name)) is not None}
    new = resolve_users(connection, names - met.keys(), create=create)
    return met | new, new


def _song_ids(
    connection: Connection, accepted: Sequence[Accepted], memory: BoundedCache[SongName, KnownSong]
) -> tuple[list[int], dict[SongName, KnownSong]]:
    """The id of each entry's song, 0 where it is about none; and the songs that the memory lacked, or knew less of."""
    song_ids: list[int] = []
    news: dict[int, SongRef] = {}
    for position, (_, _, event) in enumerate(accepted):
        known = None
        if not isinstance(event, PreferenceEvent):
            known = _well_known(event.song, memory)
            if known is None:
                news[position] = event.song
        song_ids.append(known.id if known else 0)
    new = resolve_songs(connection, news.values())
    for position, song in news.items():
        song_ids[position] = new[song.name].id
    return song_ids, new


def _sorted_out(
    accepted: Sequence[Accepted], users: dict[str, int], song_ids: Sequence[int]
) -> tuple[list[PlayToRecord], list[FavoriteToRecord], list[PreferenceToRecord]]:
    plays: list[PlayToRecord] = []
    favorites: list[FavoriteToRecord] = []
    preferences: list[PreferenceToRecord] = []
    for (entry_id, _, event), song_id in zip(accepted, song_ids, strict=True):
        user_id = users[event.user]
        if isinstance(event, PlayEvent):
            plays.append(PlayToRecord.of(entry_id, event, user_id, song_id))
        elif isinstance(event, PreferenceEvent):
            preferences.append(PreferenceToRecord(entry_id, event, user_id))
        else:
            favorites.append(FavoriteToRecord(entry_id, event, user_id, song_id))
    return plays, favorites, preferences


def _unknown_user(entry: Accepted) -> Letter:
    error = InvalidEventError(Reason.UNKNOWN_USER, "user: was never seen, and ZIK_UNKNOWN_USERS is reject")
    return Letter(entry.entry_id, entry.payload, error)
