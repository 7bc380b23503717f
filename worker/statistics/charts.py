"""Charts for everyone, kept ready: a question costs a look at its places, whatever the number of listeners."""

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, insert, literal, select, tuple_

from worker.database.engine import snapshot, transaction, without_statement_timeout
from worker.database.locks import AdvisoryLock, take
from worker.models import ChartPlace, StaleChart
from worker.statistics.periods import Period, Span, spans_of
from worker.statistics.questions.sources import GlobalListening, Listening, RollupsOnly
from worker.statistics.questions.top import Place, Subject, ranking
from worker.statistics.rollups.marks import new_mark


def top(listening: Listening, subject: Subject, span: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places of a span, by listens, then plays.

    A user's places are those of this moment and cost a look at each song of each day of the span; a chart for
    everyone is up to an hour old, ends at `charts.LENGTH`, and costs a look at its places.
    """
    if isinstance(listening, GlobalListening):
        return chart(listening.connection, subject, span, most=most)
    return ranking(listening, subject, span, most=most)


logger = logging.getLogger(__name__)

# A chart is kept to this place.
LENGTH: Final = 500
_DAY: Final = timedelta(days=1)
_MARKS_AT_ONCE: Final = 1_000

_Mark = tuple[date, UUID]


def refresh_charts(engine: Engine, *, today: date, closed: bool) -> int:
    """Draw the charts anew whose days have been computed since. Returns how many.

    Args:
        engine: the database.
        today: the day in UTC. The periods of the days around it are running, somewhere on Earth.
        closed: whether periods that have ended count too; a late play or an import changes them.
    """
    with transaction(without_statement_timeout(engine)) as session:
        _leave_one_mark_a_day(session.connection())
    with snapshot(engine) as session:
        # Read before the charts are drawn: what is marked later has perhaps not been seen, and stays.
        marks: Sequence[_Mark] = [(day, mark) for day, mark in session.execute(select(StaleChart.day, StaleChart.mark))]
    running = {each for day in (today - _DAY, today, today + _DAY) for each in spans_of(day)}
    stale = {each for day, _ in marks for each in spans_of(day)}
    drawn: set[Span] = set()
    for each in sorted(stale if closed else stale & running, key=_newest_first):
        with transaction(without_statement_timeout(engine)) as session:
            _draw(session.connection(), each)
        drawn.add(each)
        # After each year, so that a task whose time is up has not drawn the years before it in vain.
        if each.period is Period.YEAR:
            marks = _without_drawn(engine, marks, drawn)
    _without_drawn(engine, marks, drawn)
    return len(drawn)


def _newest_first(span: Span) -> tuple[bool, int]:
    """What people look at first: all time, then from the latest period, so that the years are done one by one."""
    return span.period is not Period.ALL, -span.first.toordinal()


def _without_drawn(engine: Engine, marks: Sequence[_Mark], drawn: set[Span]) -> Sequence[_Mark]:
    """Clear the marks of days of which every chart is drawn. Returns the others."""
    done = {mark for mark in marks if drawn.issuperset(spans_of(mark[0]))}
    if done:
        with transaction(without_statement_timeout(engine)) as session:
            _forget(session.connection(), sorted(done))
        logger.info("drew the charts of %s days", f"{len(done):,}")
    return [mark for mark in marks if mark not in done]


def _leave_one_mark_a_day(connection: Connection) -> None:
    """After a large import there are millions, one of each sweep for each of its days: more than fit into a worker.

    Whoever reads the new marks sees all that the old ones stood for, also of those that are deleted and not counted.
    """
    take(connection, AdvisoryLock.DRAW_CHARTS)
    mark = new_mark()
    days = select(StaleChart.day, literal(mark)).distinct()
    connection.execute(insert(StaleChart).from_select(["day", "mark"], days))
    kept = select(StaleChart.day).where(StaleChart.mark == mark)
    connection.execute(delete(StaleChart).where(StaleChart.mark != mark, StaleChart.day.in_(kept)))


def _draw(connection: Connection, span: Span) -> None:
    take(connection, AdvisoryLock.DRAW_CHARTS)
    connection.execute(delete(ChartPlace).where(ChartPlace.period == span.period, ChartPlace.starts_on == span.first))
    places = [
        {"subject": subject.value, "period": span.period.value, "starts_on": span.first, **vars(place)}
        for subject in Subject
        for place in ranking(RollupsOnly(connection), subject, span, most=LENGTH)
    ]
    if places:
        connection.execute(insert(ChartPlace), places)


def _forget(connection: Connection, marks: Sequence[_Mark]) -> None:
    take(connection, AdvisoryLock.DRAW_CHARTS)
    for start in range(0, len(marks), _MARKS_AT_ONCE):
        some = marks[start : start + _MARKS_AT_ONCE]
        connection.execute(delete(StaleChart).where(tuple_(StaleChart.day, StaleChart.mark).in_(some)))


def chart(connection: Connection, subject: Subject, wanted: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places for everyone, up to `LENGTH`, as they were drawn last: within the hour."""
    rows = connection.execute(
        select(
            ChartPlace.place, ChartPlace.artist, ChartPlace.title, ChartPlace.plays, ChartPlace.listens,
            ChartPlace.ms_played, ChartPlace.listeners,
        )
        .where(
            ChartPlace.subject == subject.value,
            ChartPlace.period == wanted.period.value,
            ChartPlace.starts_on == wanted.first,
            ChartPlace.place <= most,
        )
        .order_by(ChartPlace.place)
    )  # fmt: skip
    return [Place(**row) for row in rows.mappings()]
