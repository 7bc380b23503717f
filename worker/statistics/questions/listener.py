"""Find a listener by name, and the day that it is for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any

from sqlalchemy import Connection, select

from worker.contract.identity import typed_user
from worker.contract.timezones import TIMEZONE, names_timezone
from worker.errors import UnknownUserError
from worker.models import PlayHistory, Preference, User
from worker.statistics.local_time import timezone_of


@dataclass(frozen=True)
class Listener:
    """A user with the timezone that they are in now, as far as it is known.

    `preferred` is the stored preference, None without one. It may name no timezone: see `misnamed_timezone`.
    """

    id: int
    username: str
    timezone: tzinfo
    preferred: Any = None

    def today(self, now: datetime) -> date:
        """The local day of an aware instant."""
        return now.astimezone(self.timezone).date()

    def local_time(self, at: datetime, offset_minutes: int | None) -> datetime:
        """An aware instant by the clock that its local day is counted by: its own offset, else the preference."""
        if offset_minutes is None:
            return at.astimezone(timezone_of(self.preferred))
        return at.astimezone(timezone(timedelta(minutes=offset_minutes)))

    @property
    def misnamed_timezone(self) -> Any:
        """The preference if it names no timezone, so that its plays without an offset count in UTC, else None.

        The contract refuses such a preference. One that is stored is from an earlier release, or from SQL.
        """
        return None if names_timezone(self.preferred) else self.preferred


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
    of_user = (Preference.user_id == user_id, Preference.key == TIMEZONE)
    preferred = connection.scalar(select(Preference.value).where(*of_user))
    known = names_timezone(preferred)
    at_home = timezone_of(preferred) if known else _latest_offset(connection, user_id)
    return Listener(user_id, name, at_home, preferred)


def misnamed_timezones(connection: Connection) -> Sequence[str]:
    """The users whose preference `timezone` names none, in order. Costs a look at each preference."""
    preferences = select(User.username, Preference.value).join(User, User.id == Preference.user_id)
    rows = connection.execute(preferences.where(Preference.key == TIMEZONE).order_by(User.username))
    return [name for name, value in rows if value is not None and not names_timezone(value)]


def _latest_offset(connection: Connection, user_id: int) -> tzinfo:
    latest = select(PlayHistory.utc_offset_minutes).where(PlayHistory.user_id == user_id)
    offset_minutes = connection.scalar(latest.order_by(PlayHistory.played_at.desc()).limit(1))
    return UTC if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))
