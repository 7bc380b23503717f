"""Erase a person from the tables, the dead letters and the stream, in one transaction after all is recorded."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from sqlalchemy import Connection, Engine, delete, exists, func, or_, select, text, union
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random

from worker.contract.identity import typed_user
from worker.database.engine import LONG_LOCK_TIMEOUT_MS, transaction, without_statement_timeout
from worker.database.locks import AdvisoryLock, is_locked, lock_to_write, take
from worker.database.statement import Statement
from worker.drain.drain import ABANDONED_MS, Drain
from worker.errors import RetryableError, UnknownUserError
from worker.models import (
    CorrectedPlay,
    DaySum,
    Favorite,
    LeftOut,
    ListeningHour,
    PendingFeedback,
    PlayHistory,
    Preference,
    Song,
    SongDay,
    SubjectSum,
    User,
)
from worker.operations import tokens
from worker.operations.changes import announce_changed
from worker.operations.dead_letters import delete_letters, with_payload
from worker.privacy.attribution import may_be_about
from worker.statistics.charts import refresh_charts

_LOOK_EVERY_S: Final = 0.2
_OWNED: Final = {
    "plays": PlayHistory.user_id,
    "corrections of plays": CorrectedPlay.user_id,
    "favorites": Favorite.user_id,
    "preferences": Preference.user_id,
    "pending feedback": PendingFeedback.user_id,
    "left out of statistics": LeftOut.user_id,
    "listening hours": ListeningHour.user_id,
    "songs by day": SongDay.user_id,
    "sums of songs, artists and albums": SubjectSum.user_id,
    "sums of days": DaySum.user_id,
}
_REFERRING: Final = (PlayHistory, CorrectedPlay, Favorite)
# Checks again, once the songs are locked: rows that were committed since the songs were chosen may refer to them, and
# would be deleted with them.
_ERASE_SONGS: Final = Statement(
    """
    DELETE FROM songs WHERE id IN (SELECT id FROM {rows})
       AND NOT EXISTS (SELECT 1 FROM play_history WHERE song_id = songs.id)
       AND NOT EXISTS (SELECT 1 FROM corrected_plays WHERE song_id = songs.id)
       AND NOT EXISTS (SELECT 1 FROM favorites WHERE song_id = songs.id)
    RETURNING id
    """,
    {"id": "bigint"},
)


def _give_up(_: RetryCallState) -> NoReturn:
    raise RetryableError(
        "other transactions have locked rows to be deleted for over a minute; nothing was erased. Retry, or find them "
        "in pg_stat_activity"
    )


_WHILE_LOCKED: Final = Retrying(
    retry=retry_if_exception(is_locked),
    stop=stop_after_delay(LONG_LOCK_TIMEOUT_MS / 1000),
    wait=wait_random(0, 0.2),
    retry_error_callback=_give_up,
)


@dataclass(frozen=True)
class Receipt:
    """What was erased, by kind. `drained` counts the events, of any user, that were recorded first.

    `announced` is false if Redis did not pass on that the user's tokens are revoked (`tokens.announce_revoked`).
    """

    username: str
    erased: dict[str, int]
    drained: int
    charts: int
    announced: bool


def erase(drain: Drain, username: str, *, wait_s: float = 2 * ABANDONED_MS / 1000) -> Receipt:
    """Erase a user everywhere. Events that arrive later are about a new user of that name: stop the player first.

    Waiting events are recorded first, so that all of the user's data is in one place. Songs that another user has stay
    as they are. Tokens are revoked, and charts of everyone drawn again, at once. The books keep counting the events:
    they hold numbers only.

    Raises:
        UnknownUserError: there is no such user, nor any dead letter of that name.
        RetryableError: another worker holds an entry and has not recorded it within `wait_s`, or another transaction
            holds rows to be deleted. Nothing is erased.
    """
    drained = _record_waiting(drain, wait_s)
    name = typed_user(username)
    erased, digests = _WHILE_LOCKED(_delete, drain.engine, name)
    # First of all: what a server accepts with a token from now on would be about a new user of that name.
    announced = tokens.announce_revoked(drain.stream, digests)
    drain.stream.clear_now_playing(name)
    # Open pages end.
    announce_changed(drain.stream, [name])
    # Before the check for an unknown user: a command that was interrupted here is repeated, and charts still show the
    # user.
    charts = refresh_charts(drain.engine, today=datetime.now(UTC).date(), closed=True)
    if not any(erased.values()):
        raise UnknownUserError(name)
    return Receipt(name, erased, drained, charts, announced)


def _delete(engine: Engine, name: str) -> tuple[dict[str, int], list[str]]:
    """Delete everything of the user in one transaction.

    Returns:
        How many rows there were, by kind, and the digests of the user's tokens.
    """
    with transaction(without_statement_timeout(engine)) as session:
        connection = session.connection()
        take(connection, AdvisoryLock.ERASE_USER)
        # Locked before the user, in the order of `zik dead retry`. A user who was refused may have nothing else.
        letters = [letter.id for letter in with_payload(connection, lambda payload: may_be_about(payload, name))]
        delete_letters(connection, letters)
        # Before the rows, so that nobody who waits for the writers of this table (`lock_writers`) holds one of them.
        lock_to_write(connection, "songs")
        # From here on no other transaction adds to what is counted.
        user_id = connection.scalar(select(User.id).where(User.username == name).with_for_update())
        erased = {"account": int(user_id is not None), "dead letters": len(letters)}
        for kind, owner in _OWNED.items():
            erased[kind] = connection.execute(select(func.count()).where(owner == user_id)).scalar_one()
        songs = _lock_songs(connection, user_id)
        # Not by the cascade, which would lock them in another order than the servers that note their last use.
        digests = tokens.delete_of_user(connection, user_id)
        erased["tokens"] = len(digests)
        connection.execute(delete(User).where(User.id == user_id))
        erased["songs that nobody else has"] = len(_ERASE_SONGS.run(connection, songs))
    return erased, digests


def _lock_songs(connection: Connection, user_id: int | None) -> list[dict[str, int]]:
    """Lock the songs that only this user has, so that no other transaction refers to them until the commit.

    Does not wait for a lock: recorders lock songs, then perhaps this user, which is locked already. If a song is
    locked, the caller starts again.
    """
    if connection.dialect.name == "postgresql":
        # A server that last looked at a table when it was empty would read all plays for each song.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    theirs = union(*(select(each.song_id).where(each.user_id == user_id) for each in _REFERRING))
    others = [exists().where(each.song_id == Song.id, each.user_id != user_id) for each in _REFERRING]
    songs = select(Song.id).where(Song.id.in_(theirs), ~or_(*others)).order_by(Song.id)
    return [{"id": song_id} for song_id in connection.scalars(songs.with_for_update(nowait=True))]


def _record_waiting(drain: Drain, wait_s: float) -> int:
    """Drain until all that is in the stream now is recorded, including what other workers hold."""
    last = drain.stream.last_id()
    drained, oldest, deadline = 0, None, float("inf")
    while True:
        # In short runs: where events keep arriving, the stream is never dry.
        more = drain.run(budget_s=_LOOK_EVERY_S).events
        drained += more
        held = drain.stream.oldest_until(last)
        if held is None:
            return drained
        if held != oldest:
            # A backlog is recorded from its oldest end, so only an entry that stays the oldest is held.
            oldest, deadline = held, time.monotonic() + wait_s
        elif time.monotonic() > deadline:
            raise RetryableError(
                "another worker holds events and does not record them; nothing was erased. See `zik status`, then retry"
            )
        if not more:
            time.sleep(_LOOK_EVERY_S)
