"""List users: how much each has played, since when, and their timezone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, func, select

from worker.contract.timezones import TIMEZONE, names_timezone
from worker.models import Preference, User
from worker.statistics.questions.sources import Listening
from worker.statistics.sql import total


@dataclass(frozen=True)
class Account:
    """A user, their plays, and the local days of the first and the last one. `preferred` is the timezone as stored."""

    user: str
    plays: int
    first_day: date | None
    last_day: date | None
    preferred: Any

    @property
    def timezone(self) -> str | None:
        return self.preferred if names_timezone(self.preferred) else None

    @property
    def misnamed_timezone(self) -> Any:
        """The preference if it names no timezone."""
        return None if names_timezone(self.preferred) else self.preferred


def accounts(listening: Listening) -> Sequence[Account]:
    """All users by name, or the one whose listening it is. Costs a look at each of their hours with plays."""
    hour = listening.rollups(date.min, date.max).hours.c
    heard = (
        select(
            hour.user_id, total(hour.plays).label("plays"), func.min(hour.day).label("first"),
            func.max(hour.day).label("last"),
        )
        .group_by(hour.user_id)
        .subquery()
    )  # fmt: skip
    found = (
        select(User.username, func.coalesce(heard.c.plays, 0), heard.c.first, heard.c.last, Preference.value)
        .outerjoin(heard, heard.c.user_id == User.id)
        .outerjoin(Preference, and_(Preference.user_id == User.id, Preference.key == TIMEZONE))
        .order_by(User.username)
    )
    if not listening.covers_everyone:
        found = found.where(User.id == listening.user_id)
    return [Account(*row) for row in listening.connection.execute(found)]
