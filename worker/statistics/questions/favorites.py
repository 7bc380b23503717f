"""List a user's favorites, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, or_, select, true

from worker.contract.events import SongRef
from worker.models import Favorite, Preference, Song

# The preference that a player's "hate" sets, of the song's identity. It holds as long as no newer favorite event.
HATED: Final = "hated."


@dataclass(frozen=True)
class Opinion:
    """What a user says of a song: `score` 1 loves it, -1 hates it."""

    said_at: datetime
    score: int
    song: SongRef


def opinions(connection: Connection, user_id: int) -> Sequence[Opinion]:
    """All of a user's loves and hates, newest first. Costs a look at each."""
    hated = _hated_at(connection, user_id)
    song = Song
    rows = connection.execute(
        select(
            Favorite.said_at,
            Favorite.is_favorite,
            song.identity,
            song.title,
            song.artist,
            song.album,
            song.duration_ms,
            song.attributes,
        )
        .join(song, song.id == Favorite.song_id)
        .where(
            Favorite.user_id == user_id,
            or_(Favorite.is_favorite.is_(true()), song.identity.in_([UUID(identity) for identity in hated])),
        )
        .order_by(Favorite.said_at.desc(), song.id)
    )
    return [
        Opinion(said_at, 1 if loved else -1, SongRef(*facts))
        for said_at, loved, identity, *facts in rows
        if loved or hated[identity.hex] == said_at
    ]


def _hated_at(connection: Connection, user_id: int) -> dict[str, datetime]:
    """When each song was hated, by identity. A favorite event that is newer has taken it back."""
    rows = connection.execute(
        select(Preference.key, Preference.said_at).where(
            Preference.user_id == user_id, Preference.key.startswith(HATED), Preference.value.is_not(None)
        )
    )
    return {key.removeprefix(HATED): said_at for key, said_at in rows}
