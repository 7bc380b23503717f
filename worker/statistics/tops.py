"""Top songs, artists and albums: one user's are counted when they are asked for, everyone's are read from a chart."""

from collections.abc import Sequence

from worker.statistics.charts import chart
from worker.statistics.listening import Listening, OfEveryone
from worker.statistics.periods import Span
from worker.statistics.ranking import Place, Subject, ranking


def top(listening: Listening, subject: Subject, span: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places of a span, by listens, then plays.

    A user's places are those of this moment and cost a look at each song of each day of the span; a chart for
    everyone is up to an hour old, ends at `charts.LENGTH`, and costs a look at its places.
    """
    if isinstance(listening, OfEveryone):
        return chart(listening.connection, subject, span, most=most)
    return ranking(listening, subject, span, most=most)
