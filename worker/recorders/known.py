"""Cache what committed transactions have established, so that known users, songs and tracks are not looked up again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from worker.contract.events import Accepted, PlayEvent, PreferenceEvent, SongName, SongRef
from worker.recorders.plays import CopyPolicy
from worker.recorders.songs import KnownSong
from worker.recorders.tracks import TrackKey, track_key

Key = TypeVar("Key")
Value = TypeVar("Value")

# At about 400 bytes an entry this is 13 MB in each process, enough for the songs that nearly all plays are of.
MAX_ENTRIES = 32_768


class BoundedCache(dict[Key, Value]):
    """A bounded map from a natural key to what the database holds for it.

    Remember only what has committed: what a rolled-back transaction saw never existed. An entry goes stale when its row
    is deleted; foreign keys then refuse the batch, and the drain forgets the cache and looks everything up again.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        super().__init__()
        self._max_entries = max_entries

    def remember(self, facts: Mapping[Key, Value]) -> None:
        self.update(facts)
        # Drop the oldest half at once: cheaper than tracking use, and as good for plays, because a popular song comes
        # back within a batch or two.
        if len(self) > self._max_entries:
            for key in list(self)[: -self._max_entries // 2]:
                del self[key]

    def forget(self) -> None:
        self.clear()


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The users, songs and tracks that a transaction has looked up or created; remember them once it has committed."""

    users: dict[str, int]
    songs: dict[SongName, KnownSong]
    tracks: dict[TrackKey, int]


@dataclass(frozen=True)
class Known:
    """The cache of one process: users, songs, tracks, and whether the next plays are likely to be new."""

    users: BoundedCache[str, int] = field(default_factory=BoundedCache)
    songs: BoundedCache[SongName, KnownSong] = field(default_factory=BoundedCache)
    tracks: BoundedCache[TrackKey, int] = field(default_factory=BoundedCache)
    plays: CopyPolicy = field(default_factory=CopyPolicy)

    def song(self, song: SongRef) -> KnownSong | None:
        """The cached song; None if it is not cached, or if the client knows more of it than the database."""
        known = self.songs.get(song.name)
        return None if known is None or known.learns_from(song) else known

    def unknown(self, accepted: Sequence[Accepted]) -> Sequence[Accepted]:
        """The events whose user, song or track has to be looked up, created or completed."""
        return [entry for entry in accepted if not self._covers(entry)]

    def _covers(self, entry: Accepted) -> bool:
        event = entry.event
        if event.user not in self.users:
            return False
        if isinstance(event, PreferenceEvent):
            return True
        song = self.song(event.song)
        if song is None or not isinstance(event, PlayEvent):
            return song is not None
        key = track_key(song.id, event.song)
        return key is None or key in self.tracks

    def remember(self, resolved: Resolved) -> None:
        self.users.remember(resolved.users)
        self.songs.remember(resolved.songs)
        self.tracks.remember(resolved.tracks)

    def forget(self) -> None:
        self.users.forget()
        self.songs.forget()
        self.tracks.forget()
