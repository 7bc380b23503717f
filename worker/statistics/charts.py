"""Charts for everyone, drawn in advance: reading one costs a look at its places, however many listeners there are."""

import logging
from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, insert, literal, select, tuple_

from worker.database.engine import snapshot, transaction, without_statement_timeout
from worker.database.locks import AdvisoryLock, take
from worker.models import ChartPlace, StaleChart
from worker.statistics.drawing import draw
from worker.statistics.periods import ONE_DAY, Period, Span, spans_of
from worker.statistics.questions.sources import Listening
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import By, Place, rank
from worker.statistics.rollups.marks import new_mark
from worker.statistics.rollups.pending import has_one_listener

logger = logging.getLogger(__name__)

_LONGEST_FIRST: Final = list(Period)[::-1]
_MARKS_AT_ONCE: Final = 1_000

_Mark = tuple[date, UUID]


def top(listening: Listening, subject: Subject, span: Span, *, most: int, by: By = By.LISTENS) -> Sequence[Place]:
    """The first `most` places of a span, by listens, then plays, or as `by` says.

    A user's places are up to date, and cost a look at each track of each day of the span. A chart for everyone is up to
    an hour old, ends at place `LENGTH`, and costs a look at its places. Charts are drawn by listens only, and while
    there is one listener none is drawn: then each track of each user and day is looked at, which takes as long as
    drawing a chart.
    """
    if listening.covers_everyone and by is By.LISTENS and not has_one_listener(listening.connection):
        return chart(listening.connection, subject, span, most=most)
    return rank(listening, subject, span, most=most, by=by)


def chart(connection: Connection, subject: Subject, wanted: Span, *, most: int) -> Sequence[Place]:
    """The first `most` places for everyone, up to `LENGTH`, as they were last drawn, up to an hour ago."""
    rows = connection.execute(
        select(
            ChartPlace.place, ChartPlace.artist, ChartPlace.title, ChartPlace.plays, ChartPlace.listens,
            ChartPlace.ms_played, ChartPlace.listeners, ChartPlace.identity,
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


def refresh_charts(engine: Engine, *, today: date, closed: bool) -> int:
    """Draw the charts of all days that were computed since the last time. Returns the number of charts.

    Args:
        engine: the database.
        today: the day in UTC. A period is running if it contains this day, the one before or the one after.
        closed: whether to draw periods that have ended, too. A late play or an import changes them.
    """
    with transaction(without_statement_timeout(engine)) as session:
        _merge_marks(session.connection())
    with snapshot(engine) as session:
        # Read before drawing: a chart may not show a day that is marked later, so such a mark must stay.
        marks: Sequence[_Mark] = [(day, mark) for day, mark in session.execute(select(StaleChart.day, StaleChart.mark))]
    running = {each for day in (today - ONE_DAY, today, today + ONE_DAY) for each in spans_of(day)}
    stale = {each for day, _ in marks for each in spans_of(day)}
    drawn: set[Span] = set()
    to_draw = sorted(stale if closed else stale & running, key=_newest_first)
    for (_, _, period), spans in groupby(to_draw, _newest_first):
        together = list(spans)
        with transaction(without_statement_timeout(engine)) as session:
            draw(session.connection(), together)
        drawn.update(together)
        # Clear marks after each year: if the task's time runs out, the years that it has drawn stay drawn.
        if period == _LONGEST_FIRST.index(Period.DAY):
            marks = _without_drawn(engine, marks, drawn)
    _without_drawn(engine, marks, drawn)
    return len(drawn)


def refresh_read_charts(engine: Engine, *, today: date, closed: bool) -> int | None:
    """Draw the charts as `refresh_charts` does. None, and no chart, while there is one listener: nobody reads them.

    The marks stay, so that all charts are drawn once there is a second listener.
    """
    with transaction(without_statement_timeout(engine)) as session:
        if alone := has_one_listener(session.connection()):
            _merge_marks(session.connection())
    return None if alone else refresh_charts(engine, today=today, closed=closed)


def _newest_first(span: Span) -> tuple[bool, int, int]:
    """All time first, then from the latest year: what people look at first. Equal for what is drawn together."""
    return span.period is not Period.ALL, -span.first.year, _LONGEST_FIRST.index(span.period)


def _without_drawn(engine: Engine, marks: Sequence[_Mark], drawn: set[Span]) -> Sequence[_Mark]:
    """Clear the marks of days of which every chart is drawn. Returns the others."""
    done = {mark for mark in marks if drawn.issuperset(spans_of(mark[0]))}
    if done:
        with transaction(without_statement_timeout(engine)) as session:
            _clear(session.connection(), sorted(done))
        logger.info("drew the charts of %s days", f"{len(done):,}")
    return [mark for mark in marks if mark not in done]


def _merge_marks(connection: Connection) -> None:
    """Replace the marks of each day by one.

    Each sweep marks each of its days, so a large import leaves millions of marks: more than fit into a worker's memory.
    A transaction that reads the new marks also sees the rollups of all marks that are deleted here.
    """
    take(connection, AdvisoryLock.DRAW_CHARTS)
    mark = new_mark()
    days = select(StaleChart.day, literal(mark)).distinct()
    connection.execute(insert(StaleChart).from_select(["day", "mark"], days))
    kept = select(StaleChart.day).where(StaleChart.mark == mark)
    connection.execute(delete(StaleChart).where(StaleChart.mark != mark, StaleChart.day.in_(kept)))


def _clear(connection: Connection, marks: Sequence[_Mark]) -> None:
    take(connection, AdvisoryLock.DRAW_CHARTS)
    for start in range(0, len(marks), _MARKS_AT_ONCE):
        some = marks[start : start + _MARKS_AT_ONCE]
        connection.execute(delete(StaleChart).where(tuple_(StaleChart.day, StaleChart.mark).in_(some)))
