"""Top songs, artists and albums: one user's are counted when they are asked for, everyone's are read from a chart."""

from collections.abc import Sequence

from sqlalchemy import Connection

from worker.statistics.charts import chart
from worker.statistics.periods import Span
from worker.statistics.ranking import Place, Subject, ranking


def top(connection: Connection, subject: Subject, span: Span, *, user_id: int | None, most: int) -> Sequence[Place]:
    """The first `most` places of a span, by listens, then plays; for everyone where there is no user.

    A user's places are those of this moment and cost a look at each song of each day of the span; a chart for
    everyone is up to an hour old, ends at `charts.LENGTH`, and costs a look at its places.
    """
    if user_id is None:
        return chart(connection, subject, span, most=most)
    return ranking(connection, subject, span, user_id=user_id, most=most)
