"""Erase a person: the account, the listening history, the statistics, the dead letters, what waits in the stream."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select

from worker.database import patient, transaction
from worker.dead_letters import holding, take_away
from worker.drain import ABANDONED_MS, Drain
from worker.errors import ZikError
from worker.identity import canonical_user
from worker.mention import mentions
from worker.models import Favorite, ListeningHour, PlayHistory, Preference, SongDay, User
from worker.statistics.charts import refresh_charts
from worker.statistics.listener import UnknownUserError

_LOOK_EVERY_S: Final = 0.2
_OWNED: Final = {
    "plays": PlayHistory.user_id,
    "favorites": Favorite.user_id,
    "preferences": Preference.user_id,
    "listening hours": ListeningHour.user_id,
    "songs by day": SongDay.user_id,
}


@dataclass(frozen=True)
class Receipt:
    """What was erased, by kind. `drained` counts events, of anybody, that were recorded first so as to be found."""

    username: str
    erased: dict[str, int]
    drained: int
    charts: int


def forget(drain: Drain, username: str, *, wait_s: float = 2 * ABANDONED_MS / 1000) -> Receipt:
    """Erase a user everywhere. Events that arrive later are about a new user of that name: stop the player first.

    What waits in the stream is recorded before, because only then all of it is in one place. Charts for everyone are
    drawn anew at once. The books keep counting the events: they tell how many there were, and nothing of whom.

    Raises:
        UnknownUserError: there is no such user, nor any dead letter of that name.
        ZikError: an entry that another worker holds is not recorded within `wait_s`.
    """
    drained = _record_what_waits(drain, wait_s)
    name = canonical_user(username.strip())
    with transaction(patient(drain.engine)) as session:
        erased = _erase(session.connection(), name)
    # Also where nobody is found: whoever was interrupted here repeats the command, and the charts still tell of them.
    charts = refresh_charts(drain.engine, today=datetime.now(UTC).date(), closed=True)
    if not any(erased.values()):
        raise UnknownUserError(name)
    return Receipt(name, erased, drained, charts)


def _erase(connection: Connection, name: str) -> dict[str, int]:
    """Delete all that is the user's, in the caller's transaction. Returns how much there was, by kind."""
    # Of someone who was refused there may be nothing else.
    letters = [letter.id for letter in holding(connection, lambda payload: mentions(payload, name))]
    take_away(connection, letters)
    user_id = connection.scalar(select(User.id).where(User.username == name))
    erased = {"account": int(user_id is not None), "dead letters": len(letters)}
    for kind, owner in _OWNED.items():
        erased[kind] = connection.execute(select(func.count()).where(owner == user_id)).scalar_one()
    connection.execute(delete(User).where(User.id == user_id))
    return erased


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
