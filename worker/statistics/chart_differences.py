"""Which charts for everyone differ from the rollups, all of one kind and year together."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.orm import InstrumentedAttribute

from worker.models import ChartPlace, SongDay, StaleChart, StaleDay, StaleHistory
from worker.statistics import statements
from worker.statistics.drawing import LENGTH
from worker.statistics.periods import Span, span, spans_of
from worker.statistics.questions.subjects import Subject
from worker.statistics.sql import within
from worker.statistics.statements import Name

_STATEMENTS: Final[Mapping[Subject, Name]] = {
    Subject.SONG: "compare_song_charts",
    Subject.ARTIST: "compare_artist_charts",
    Subject.ALBUM: "compare_album_charts",
}


class ChartDifference(NamedTuple):
    """A chart with `wanted` places that it lacks, and `found` places that it should not have."""

    subject: Subject
    span: Span
    wanted: int
    found: int


def charted(connection: Connection) -> Iterator[Sequence[Span]]:
    """Every period that has a rollup or a chart, those of one kind and year together."""
    days = {
        day for column in (SongDay.day, ChartPlace.starts_on) for day in connection.scalars(select(column).distinct())
    }

    def kind_and_year(each: Span) -> tuple[str, int]:
        return each.period, each.first.year

    for _, together in groupby(
        sorted({each for day in days for each in spans_of(day)}, key=kind_and_year), kind_and_year
    ):
        yield list(together)


def up_to_date(connection: Connection, spans: Sequence[Span]) -> Sequence[Span]:
    """Those of some periods that have no day that waits for a sweep."""
    if connection.execute(select(StaleHistory.mark).limit(1)).first() is not None:
        return []
    waiting = {day for column in (StaleChart.day, StaleDay.day) for day in _days(connection, column, spans)}
    stale = {span(spans[0].period, day) for day in waiting}
    return [each for each in spans if each not in stale]


def chart_differences(connection: Connection, spans: Sequence[Span]) -> Iterator[ChartDifference]:
    """The charts of these periods of one kind that differ. Costs six looks at each row of their days."""
    period, by_start = spans[0].period, {each.first: each for each in spans}
    days = ((day, span(period, day).first) for day in _days(connection, SongDay.day, spans))
    rows = [{"day": day.isoformat(), "starts_on": first.isoformat()} for day, first in days if first in by_start]
    # A row without a day: a chart may have none.
    rows += [{"starts_on": first.isoformat()} for first in by_start]
    for subject, name in _STATEMENTS.items():
        parameters = {"subject": subject.value, "period": period.value, "length": LENGTH}
        for starts_on, wanted, found in statements.run(connection, name, rows, **parameters):
            first = date.fromisoformat(starts_on) if isinstance(starts_on, str) else starts_on
            yield ChartDifference(subject, by_start[first], wanted, found)


def _days(connection: Connection, column: InstrumentedAttribute[date], spans: Sequence[Span]) -> Sequence[date]:
    """The days that a table has, from the first of these periods to the last."""
    first, last = min(each.first for each in spans), max(each.last for each in spans)
    return connection.scalars(select(column).where(within(column, first, last)).distinct()).all()
