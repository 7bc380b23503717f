"""Find a listener by name, and the day that it is for them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from sqlalchemy import Connection, select

from worker.contract.identity import typed_user
from worker.errors import UnknownUserError
from worker.models import PlayHistory, User
from worker.statistics.local_time import timezones_of


@dataclass(frozen=True)
class Listener:
    """A user with the timezone that they are in now, as far as it is known."""

    id: int
    username: str
    timezone: tzinfo

    def today(self, now: datetime) -> date:
        """The local day of an aware instant."""
        return now.astimezone(self.timezone).date()


def find_listener(connection: Connection, username: str) -> Listener:
    """The user of this name, in any Unicode form and with any space around it. Costs three look-ups by key.

    The timezone is the user's preference, else the offset of their latest play, else UTC.

    Raises:
        UnknownUserError: no user has this name.
    """
    name = typed_user(username)
    user_id = connection.scalar(select(User.id).where(User.username == name))
    if user_id is None:
        raise UnknownUserError(name)
    preferred = timezones_of(connection, [user_id]).get(user_id, UTC)
    # The constant UTC means that there is no valid preference. A user who prefers UTC has a ZoneInfo.
    return Listener(user_id, name, _latest_offset(connection, user_id) if preferred is UTC else preferred)


def _latest_offset(connection: Connection, user_id: int) -> tzinfo:
    latest = select(PlayHistory.utc_offset_minutes).where(PlayHistory.user_id == user_id)
    offset_minutes = connection.scalar(latest.order_by(PlayHistory.played_at.desc()).limit(1))
    return UTC if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))
