"""Which plays of a user do not count: another source reports the same ones, or they are too short."""

from collections.abc import Collection, Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import Text, column

from worker.models import PlayHistory
from worker.statistics.questions.sources import UserListening
from worker.statistics.rollups.compute import of_user


def second_reports(listening: UserListening, days: Collection[date]) -> Mapping[UUID, str]:
    """The plays of these local days that do not count, by id, with the source that counts; "" if that has no name.

    Costs a look at each play of these days and of those beside them.
    """
    if not days:
        return {}
    statement = of_user(listening.connection, "second_reports", listening.user_id, days, listening.rule)
    found = listening.connection.execute(statement.columns(PlayHistory.__table__.c.id, column("counted_source", Text)))
    return dict(found.all())


def short_plays(listening: UserListening, days: Collection[date]) -> Collection[UUID]:
    """The plays of these local days that the listen rule finds too short, by id. Costs as much as `second_reports`."""
    if not days:
        return frozenset()
    statement = of_user(listening.connection, "short_plays", listening.user_id, days, listening.rule)
    return frozenset(listening.connection.scalars(statement.columns(PlayHistory.__table__.c.id)))
