"""Love and hate a song by an id: what zik cannot resolve yet is kept, and published when such a song appears."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, delete, select, tuple_

from worker.contract.events import SongRef
from worker.database.engine import snapshot, transaction
from worker.models import PendingFeedback, Song, User

MBID: Final = "mbid:"
MSID: Final = "msid:"
_AT_ONCE: Final = 1_000


class Pending(NamedTuple):
    """Feedback whose song has appeared."""

    user_id: int
    username: str
    reference: str
    score: int
    said_at: datetime
    song: SongRef


def find_song(engine: Engine, reference: str) -> SongRef | None:
    """The song that `mbid:` or `msid:` and a UUID name, the first of several; None if no event has named it yet."""
    with snapshot(engine) as session:
        return _song(session.connection(), reference)


def _song(connection: Connection, reference: str) -> SongRef | None:
    song = connection.execute(
        select(Song.title, Song.artist, Song.album, Song.duration_ms, Song.attributes)
        .where(_is_named(reference))
        .order_by(Song.id)
        .limit(1)
    ).first()
    return None if song is None else SongRef(*song)


def _is_named(reference: str) -> ColumnElement[bool]:
    named = UUID(reference[5:])
    return Song.has_mbid(named) if reference.startswith(MBID) else Song.identity == named


def keep(engine: Engine, username: str, reference: str, score: int, said_at: datetime) -> None:
    """Keep feedback on a song that is not there yet. The newest on a song stands, whatever order they come in."""
    with transaction(engine) as session:
        user_id = session.scalar(select(User.id).where(User.username == username).with_for_update(key_share=True))
        if user_id is None:
            return  # Erased meanwhile, and the token with the user.
        kept = session.get(PendingFeedback, (user_id, reference), with_for_update=True)
        if kept is None:
            session.add(PendingFeedback(user_id=user_id, reference=reference, score=score, said_at=said_at))
        elif said_at >= kept.said_at:
            kept.score, kept.said_at = score, said_at


def publish_pending(engine: Engine, publish: Callable[[Sequence[Pending]], object]) -> int:
    """Publish the feedback whose song has appeared, and forget it afterwards. Returns how much there was.

    A crash in between publishes it once more, with the same time: the second one is a duplicate.
    """
    total = 0
    after = (0, "")
    while True:
        with snapshot(engine) as session:
            kept = session.execute(
                select(
                    PendingFeedback.user_id, User.username, PendingFeedback.reference, PendingFeedback.score,
                    PendingFeedback.said_at,
                )
                .join(User, User.id == PendingFeedback.user_id)
                .where(tuple_(PendingFeedback.user_id, PendingFeedback.reference) > after)
                .order_by(PendingFeedback.user_id, PendingFeedback.reference)
                .limit(_AT_ONCE)
            ).all()  # fmt: skip
            songs = {row.reference: _song(session.connection(), row.reference) for row in kept}
        if not kept:
            return total
        found = [Pending(*row, song) for row in kept if (song := songs[row.reference]) is not None]
        if found:
            publish(found)
            _forget(engine, found)
        total += len(found)
        after = (kept[-1].user_id, kept[-1].reference)


def _forget(engine: Engine, published: Sequence[Pending]) -> None:
    """Delete what was published, unless newer feedback has replaced it."""
    keys = [(each.user_id, each.reference, each.said_at) for each in published]
    key = tuple_(PendingFeedback.user_id, PendingFeedback.reference, PendingFeedback.said_at)
    with transaction(engine) as session:
        session.execute(delete(PendingFeedback).where(key.in_(keys)))
