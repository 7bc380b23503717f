"""Erase a person: account, history, statistics, songs that nobody else has, dead letters, what waits in the stream."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from sqlalchemy import Connection, Engine, delete, exists, func, or_, select, union
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random

from worker.contract.identity import typed_user
from worker.database.engine import LONG_LOCK_TIMEOUT_MS, transaction, without_statement_timeout
from worker.database.locks import AdvisoryLock, is_locked, take
from worker.database.statement import Statement
from worker.drain.drain import ABANDONED_MS, Drain
from worker.errors import UnknownUserError, ZikError
from worker.models import Favorite, ListeningHour, PlayHistory, Preference, Song, SongDay, User
from worker.operations.dead_letters import holding, take_away
from worker.privacy.attribution import may_be_about
from worker.statistics.charts import refresh_charts

_LOOK_EVERY_S: Final = 0.2
_OWNED: Final = {
    "plays": PlayHistory.user_id,
    "favorites": Favorite.user_id,
    "preferences": Preference.user_id,
    "listening hours": ListeningHour.user_id,
    "songs by day": SongDay.user_id,
}
_REFERRING: Final = (PlayHistory, Favorite)
# Looks anew, once the songs are locked: what was committed after they were chosen may refer to them, and would go, too.
_ERASE_SONGS: Final = Statement(
    """
    DELETE FROM songs WHERE id IN (SELECT id FROM {rows})
       AND NOT EXISTS (SELECT 1 FROM play_history WHERE song_id = songs.id)
       AND NOT EXISTS (SELECT 1 FROM favorites WHERE song_id = songs.id)
    RETURNING id
    """,
    {"id": "bigint"},
)


def _give_up(_: RetryCallState) -> NoReturn:
    raise ZikError(
        "others have held rows that are to go for a minute, and nothing is erased: try again. Who they are, PostgreSQL "
        "tells in pg_stat_activity"
    )


_WHILE_LOCKED: Final = Retrying(
    retry=retry_if_exception(is_locked),
    stop=stop_after_delay(LONG_LOCK_TIMEOUT_MS / 1000),
    wait=wait_random(0, 0.2),
    retry_error_callback=_give_up,
)


@dataclass(frozen=True)
class Receipt:
    """What was erased, by kind. `drained` counts events, of anybody, that were recorded first so as to be found."""

    username: str
    erased: dict[str, int]
    drained: int
    charts: int


def forget(drain: Drain, username: str, *, wait_s: float = 2 * ABANDONED_MS / 1000) -> Receipt:
    """Erase a user everywhere. Events that arrive later are about a new user of that name: stop the player first.

    What waits in the stream is recorded before, because only then all of it is in one place. Songs that somebody else
    has, too, stay as they are known. Charts for everyone are drawn anew at once. The books keep counting the events:
    they tell how many there were, and nothing of whom.

    Raises:
        UnknownUserError: there is no such user, nor any dead letter of that name.
        ZikError: an entry that another worker holds is not recorded within `wait_s`, or somebody holds rows that are
            to go. Nothing is erased.
    """
    drained = _record_what_waits(drain, wait_s)
    name = typed_user(username)
    erased = _WHILE_LOCKED(_erase, drain.engine, name)
    # Also where nobody is found: whoever was interrupted here repeats the command, and the charts still tell of them.
    charts = refresh_charts(drain.engine, today=datetime.now(UTC).date(), closed=True)
    if not any(erased.values()):
        raise UnknownUserError(name)
    return Receipt(name, erased, drained, charts)


def _erase(engine: Engine, name: str) -> dict[str, int]:
    """Delete all that is the user's, in one transaction. Returns how much there was, by kind."""
    with transaction(without_statement_timeout(engine)) as session:
        connection = session.connection()
        take(connection, AdvisoryLock.ERASE_USER)
        # Locked before the user, as by whoever retries one. Of someone who was refused there may be nothing else.
        letters = [letter.id for letter in holding(connection, lambda payload: may_be_about(payload, name))]
        take_away(connection, letters)
        # From here on nobody adds to what is counted.
        user_id = connection.scalar(select(User.id).where(User.username == name).with_for_update())
        erased = {"account": int(user_id is not None), "dead letters": len(letters)}
        for kind, owner in _OWNED.items():
            erased[kind] = connection.execute(select(func.count()).where(owner == user_id)).scalar_one()
        songs = _songs_locked(connection, user_id)
        connection.execute(delete(User).where(User.id == user_id))
        erased["songs that nobody else has"] = len(_ERASE_SONGS.run(connection, songs))
    return erased


def _songs_locked(connection: Connection, user_id: int | None) -> list[dict[str, int]]:
    """The songs of this user, and seemingly of nobody else, to which nobody can refer until the commit.

    Recorders lock songs as plays come, and then perhaps this user, who is locked already. So this waits for none of
    them, and whoever cannot have all at once begins anew.
    """
    theirs = union(*(select(each.song_id).where(each.user_id == user_id) for each in _REFERRING))
    others = [exists().where(each.song_id == Song.id, each.user_id != user_id) for each in _REFERRING]
    songs = select(Song.id).where(Song.id.in_(theirs), ~or_(*others)).order_by(Song.id)
    return [{"id": song_id} for song_id in connection.scalars(songs.with_for_update(nowait=True))]


def _record_what_waits(drain: Drain, wait_s: float) -> int:
    """Drain until nothing is left of what is in the stream now, also of what other workers hold."""
    last = drain.stream.last_id()
    drained, oldest, deadline = 0, None, float("inf")
    while True:
        # No longer at a time: where events keep coming, the stream is never dry.
        more = drain.run(budget_s=_LOOK_EVERY_S).events
        drained += more
        held = drain.stream.oldest_until(last)
        if held is None:
            return drained
        if held != oldest:
            # However much waits, it is recorded from its oldest end. Only what stays there is held.
            oldest, deadline = held, time.monotonic() + wait_s
        elif time.monotonic() > deadline:
            raise ZikError("another worker holds events and does not record them: see `zik status`, then try again")
        if not more:
            time.sleep(_LOOK_EVERY_S)
