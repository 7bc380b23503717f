"""Which plays of a user do not count, because another source reports the same ones."""

from collections.abc import Collection, Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import Text, column

from worker.models import PlayHistory
from worker.statistics import statements
from worker.statistics.local_time import timezones_of, windows
from worker.statistics.questions.sources import UserListening


def second_reports(listening: UserListening, days: Collection[date]) -> Mapping[UUID, str]:
    """The plays of these local days that do not count, by id, with the source that counts; "" if that has no name.

    Costs a look at each play of these days and of those beside them.
    """
    connection, user_id = listening.connection, listening.user_id
    rows = list(windows(((user_id, day) for day in days), timezones_of(connection, [user_id])))
    if not rows:
        return {}
    statement = statements.bound(
        connection, "second_reports", rows, windows=len(rows), **listening.rule.as_parameters()
    )
    found = connection.execute(statement.columns(PlayHistory.__table__.c.id, column("counted_source", Text)))
    return dict(found.all())
