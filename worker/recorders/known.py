"""Cache what committed transactions have established, so that known users, songs and tracks are not looked up again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from worker.contract.events import SongName, SongRef
from worker.recorders.plays import CopyPolicy
from worker.recorders.songs import KnownSong

Key = TypeVar("Key")
Value = TypeVar("Value")

# Artist, title, album, album artist and artists, as spelled by the client: what decides song and track of a play.
Naming = tuple[str, str, str | None, str | None, tuple[str, ...] | None]

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


class Place(NamedTuple):
    """Where a play belongs. A track's song never changes, and a song's id is never used again."""

    song: KnownSong
    track_id: int


def naming(song: SongRef) -> Naming:
    return song.artist, song.title, song.album, song.album_artist, song.artists


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What a transaction has looked up or created for the events that the cache did not cover.

    Remember it once the transaction has committed.
    """

    users: dict[str, int]
    songs: dict[SongName, KnownSong]
    places: dict[Naming, Place]


@dataclass(frozen=True)
class Known:
    """The cache of one process: users, songs, tracks, and whether the next plays are likely to be new."""

    users: BoundedCache[str, int] = field(default_factory=BoundedCache)
    songs: BoundedCache[SongName, KnownSong] = field(default_factory=BoundedCache)
    places: BoundedCache[Naming, Place] = field(default_factory=BoundedCache)
    plays: CopyPolicy = field(default_factory=CopyPolicy)

    def song(self, song: SongRef) -> KnownSong | None:
        """The cached song; None if it is not cached, or if the client knows more of it than the database."""
        known = self.songs.get(song.name)
        return None if known is None or known.learns_from(song) else known

    def place(self, song: SongRef) -> Place | None:
        """The cached song and track of a play, in one look; None as for `song`."""
        place = self.places.get(naming(song))
        return None if place is None or place.song.learns_from(song) else place

    def remember(self, resolved: Resolved) -> None:
        self.users.remember(resolved.users)
        # Places of one name share its song, so that what is learned by one is known by all.
        songs = {name: self._learned(name, song) for name, song in resolved.songs.items()}
        self.songs.remember(songs)
        self.places.remember({key: Place(songs[key[:2]], track_id) for key, (_, track_id) in resolved.places.items()})

    def _learned(self, name: SongName, song: KnownSong) -> KnownSong:
        known = self.songs.get(name)
        if known is None or known.id != song.id:
            return song
        known.learn(song)
        return known

    def forget(self) -> None:
        self.users.forget()
        self.songs.forget()
        self.places.forget()
