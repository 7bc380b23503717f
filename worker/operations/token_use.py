"""Count the tokens by when a player last used them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine, func, select

from worker.database.engine import snapshot
from worker.models import AccessToken


class LastUse(StrEnum):
    """How long ago a token was last used: within a day, within a week, longer ago, never."""

    DAY = "day"
    WEEK = "week"
    LONGER = "longer"
    NEVER = "never"


def count_by_last_use(engine: Engine, *, now: datetime) -> Mapping[LastUse, int]:
    """The number of tokens for each `LastUse`, 0 included."""
    used_at = AccessToken.last_used_at
    day_ago, week_ago = now - timedelta(days=1), now - timedelta(days=7)
    counts = select(
        func.count().filter(used_at > day_ago),
        func.count().filter(used_at > week_ago, used_at <= day_ago),
        func.count().filter(used_at <= week_ago),
        func.count().filter(used_at.is_(None)),
    ).select_from(AccessToken)
    with snapshot(engine) as session:
        return dict(zip(LastUse, session.execute(counts).one(), strict=True))


def count_unused(engine: Engine, *, since: datetime) -> int:
    """The number of tokens that were made before `since` and not used since then."""
    last = func.coalesce(AccessToken.last_used_at, AccessToken.created_at)
    with snapshot(engine) as session:
        return session.scalar(select(func.count()).select_from(AccessToken).where(last < since)) or 0
