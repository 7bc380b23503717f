"""A listener by name, and what day it is where they are."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from sqlalchemy import Connection, select

from worker.contract.identity import typed_user
from worker.errors import UnknownUserError
from worker.models import PlayHistory, User
from worker.statistics.local_time import zones_of


@dataclass(frozen=True)
class Listener:
    """A user as the questions see one. `timezone` is where they are now, as far as anybody told."""

    id: int
    username: str
    timezone: tzinfo

    def today(self, now: datetime) -> date:
        """The local day of an aware instant."""
        return now.astimezone(self.timezone).date()


def listener(connection: Connection, username: str) -> Listener:
    """The user of this name, in any Unicode form and with any space around it. Costs three look-ups by key.

    The timezone is that of the user's preference; of one who has none, the offset of their latest play; else UTC.

    Raises:
        UnknownUserError: there is none.
    """
    name = typed_user(username)
    user_id = connection.scalar(select(User.id).where(User.username == name))
    if user_id is None:
        raise UnknownUserError(name)
    preferred = zones_of(connection, [user_id]).get(user_id, UTC)
    # Whoever prefers UTC by name has a ZoneInfo; the constant stands for a preference that is absent or no timezone.
    return Listener(user_id, name, _latest_offset(connection, user_id) if preferred is UTC else preferred)


def _latest_offset(connection: Connection, user_id: int) -> tzinfo:
    latest = select(PlayHistory.utc_offset_minutes).where(PlayHistory.user_id == user_id)
    offset_minutes = connection.scalar(latest.order_by(PlayHistory.played_at.desc()).limit(1))
    return UTC if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))
