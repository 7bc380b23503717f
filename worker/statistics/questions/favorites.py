"""List a user's favorites, newest first."""

from collections.abc import Sequence
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
    """What a user says of a song: `score` 1 loves it, -1 hates it."""

    said_at: datetime
    score: int
    song: SongRef


def opinions(connection: Connection, user_id: int) -> Sequence[Opinion]:
    """All of a user's loves and hates, newest first. Of merged songs the latest opinion holds. Costs a look at each."""
    hated = _hated_at(connection, user_id)
    said = aliased(Song)
    rows = connection.execute(
        select(
            Favorite.said_at, Favorite.is_favorite, said.identity,
            Song.id, Song.title, Song.artist, Song.album, Song.duration_ms, Song.attributes,
        )
        .join(said, said.id == Favorite.song_id)
        .join(Song, Song.id == func.coalesce(said.counts_as_id, said.id))
        .where(Favorite.user_id == user_id)
        .order_by(Favorite.said_at.desc(), said.identity)
    )  # fmt: skip
    latest: dict[int, Opinion] = {}
    for said_at, loved, identity, song_id, *facts in rows:
        score = 1 if loved else -1 if hated.get(identity.hex) == said_at else 0
        latest.setdefault(song_id, Opinion(said_at, score, SongRef(*facts)))
    return [opinion for opinion in latest.values() if opinion.score]


def _hated_at(connection: Connection, user_id: int) -> dict[str, datetime]:
    """When each song was hated, by identity. A favorite event that is newer has taken it back."""
    rows = connection.execute(
        select(Preference.key, Preference.said_at).where(
            Preference.user_id == user_id, Preference.key.startswith(HATED), Preference.value.is_not(None)
        )
    )
    return {key.removeprefix(HATED): said_at for key, said_at in rows}
