"""What earlier transactions have established, so that known users and songs are not looked up again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from worker.contract.events import Accepted, Event, PreferenceEvent, SongName, SongRef
from worker.recorders.plays import CopyPolicy
from worker.recorders.songs import KnownSong

Key = TypeVar("Key")
Value = TypeVar("Value")

# At about 400 bytes an entry this is 13 MB in each process, for the songs that nearly all plays are of.
MOST = 32_768


class BoundedCache(dict[Key, Value]):
    """A bounded map from a natural key to what the database knows of it.

    Learn only after COMMIT: what a rolled back transaction has seen was never true. It may be out of date, when
    somebody deletes rows; the foreign keys then refuse the batch, and the reader forgets all and asks again.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self._most = most

    def remember(self, facts: Mapping[Key, Value]) -> None:
        self.update(facts)
        # The oldest half goes at once: cheaper than keeping an order of use, and as good for plays, whose favorites
        # come back within a batch or two.
        if len(self) > self._most:
            for key in list(self)[: -self._most // 2]:
                del self[key]

    def forget(self) -> None:
        self.clear()


@dataclass(frozen=True)
class Known:
    """The users and songs that this process has met, and what it expects of the next plays."""

    users: BoundedCache[str, int] = field(default_factory=BoundedCache)
    songs: BoundedCache[SongName, KnownSong] = field(default_factory=BoundedCache)
    plays: CopyPolicy = field(default_factory=CopyPolicy)

    def unknown(self, accepted: Sequence[Accepted]) -> Sequence[Accepted]:
        """The events whose user or song would have to be asked for, or that know more of the song."""
        return [entry for entry in accepted if entry.event.user not in self.users or _has_news(entry.event, self.songs)]

    def remember(self, met: "Resolved") -> None:
        self.users.remember(met.users)
        self.songs.remember(met.songs)

    def forget(self) -> None:
        self.users.forget()
        self.songs.forget()


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The users and songs that a transaction has asked for or made: to be remembered once it has committed."""

    users: dict[str, int]
    songs: dict[SongName, KnownSong]


def _has_news(event: Event, memory: BoundedCache[SongName, KnownSong]) -> bool:
    return not isinstance(event, PreferenceEvent) and _well_known(event.song, memory) is None


def _well_known(song: SongRef, memory: BoundedCache[SongName, KnownSong]) -> KnownSong | None:
    """What is known of a song; None where the client knows more, or nothing is."""
    known = memory.get(song.name)
    return None if known is None or known.learns_from(song) else known
