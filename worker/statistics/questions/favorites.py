"""List a user's favorites, newest first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import aliased

from worker.contract.events import SongRef
from worker.models import Favorite, Preference, Song

# The preference that a player's "hate" sets, of the song's identity. It holds as long as no newer favorite event.
HATED: Final = "hated."


@dataclass(frozen=True)
class Opinion:
    """What a user says of a song: `score` 1 loves it, -1 hates it.

    `song` is the one that counts, and `identities` are those of all songs that count as it, as 32 hex digits. `mbids`
    are theirs as far as they are known, in lower case.
    """

    said_at: datetime
    score: int
    song: SongRef
    identities: frozenset[str]
    mbids: frozenset[str]


def opinions(connection: Connection, user_id: int) -> Sequence[Opinion]:
    """All of a user's loves and hates, newest first. Costs a look at each favorite, also at those taken back.

    Songs that count as one have one opinion: the newest.
    """
    hated = _hated_at(connection, user_id)
    counting = aliased(Song)
    rows = connection.execute(
        select(
            Favorite.said_at, Favorite.is_favorite, Song.identity, counting.id,
            counting.title, counting.artist, counting.album, counting.duration_ms, counting.attributes,
        )
        .join(Song, Song.id == Favorite.song_id)
        .join(counting, counting.id == func.coalesce(Song.counts_as_id, Song.id))
        .where(Favorite.user_id == user_id)
        .order_by(Favorite.said_at.desc(), Favorite.event_id.desc())
    )  # fmt: skip
    newest: dict[int, tuple[datetime, int, SongRef]] = {}
    for said_at, loved, identity, song_id, *facts in rows:
        score = 1 if loved else -1 if hated.get(identity.hex) == said_at else 0
        newest.setdefault(song_id, (said_at, score, SongRef(*facts)))
    spelled = _spelled(connection, user_id)
    return [
        Opinion(*opinion, frozenset(identities), frozenset(mbids))
        for song_id, opinion in newest.items()
        if opinion[1] != 0
        for identities, mbids in (spelled[song_id],)
    ]


def _spelled(connection: Connection, user_id: int) -> Mapping[int, tuple[set[str], set[str]]]:
    """Identities and MBIDs of the user's favorites by the song that counts: of it, and of all that count as it."""
    favorite, spelled = aliased(Song), aliased(Song)
    counting = func.coalesce(favorite.counts_as_id, favorite.id)
    favorites = select(counting).join(Favorite, Favorite.song_id == favorite.id).where(Favorite.user_id == user_id)
    found = defaultdict[int, tuple[set[str], set[str]]](lambda: (set(), set()))
    for key in (spelled.id, spelled.counts_as_id):
        songs = select(key, spelled.identity, spelled.attributes).where(key.in_(favorites))
        for song_id, identity, attributes in connection.execute(songs):
            identities, mbids = found[song_id or 0]
            identities.add(identity.hex)
            if isinstance(mbid := (attributes or {}).get("mbid"), str):
                mbids.add(mbid.lower())
    return found


def _hated_at(connection: Connection, user_id: int) -> dict[str, datetime]:
    """When each song was hated, by identity. A favorite event that is newer has taken it back."""
    rows = connection.execute(
        select(Preference.key, Preference.said_at).where(
            Preference.user_id == user_id, Preference.key.startswith(HATED), Preference.value.is_not(None)
        )
    )
    return {key.removeprefix(HATED): said_at for key, said_at in rows}
