"""Plays before their corrections: what is kept of them, and the lock under which one user's corrections are made."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, insert, select

from worker.models import CorrectedPlay, PlayHistory, User

# So many plays in a transaction: a sweep, and the user's next correction, wait for about a second at most.
AT_ONCE: Final = 1_000
# What a correction may change, and what it must restore.
_KEPT: Final = (
    "song_id", "track_id", "played_at", "reported_at", "ms_played", "duration_ms", "utc_offset_minutes", "source",
    "context",
)  # fmt: skip
STORED: Final = [PlayHistory.__table__.c[name] for name in ("id", "user_id", "created_at", *_KEPT)]

Version = RowMapping | dict[str, Any]


def lock(connection: Connection, user_id: int) -> bool:
    """Wait until no other correction or sweep of this user is going on. Returns whether the user exists.

    Recorders only refer to the user, so they do not wait.
    """
    own = select(User.id).where(User.id == user_id).with_for_update(key_share=True)
    return connection.scalar(own) is not None


def in_parts(ids: Iterable[UUID]) -> Iterator[Sequence[UUID]]:
    """The ids in order, so many as one transaction takes."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def keep_before_edit(connection: Connection, play: Version) -> None:
    """Keep a play, given as a row of `STORED`, as it was before it is edited. A trigger keeps one that is deleted."""
    own = (CorrectedPlay.user_id == play["user_id"], CorrectedPlay.id == play["id"])
    number = connection.scalar(select(func.max(CorrectedPlay.number)).where(*own)) or 0
    kept = {name: play[name] for name in ("id", "user_id", *_KEPT)}
    correction = {"number": number + 1, "is_deletion": False, "recorded_at": play["created_at"]}
    connection.execute(insert(CorrectedPlay), kept | correction)


def values_of(version: Version) -> dict[str, Any]:
    """The values of a play that a correction may have changed."""
    return {name: version[name] for name in _KEPT}
