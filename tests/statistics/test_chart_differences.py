"""`zik verify` compares each column of each chart for everyone, and says how many places differ."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, delete, insert, select, update

from tests.support.events import play, song
from tests.support.rollup_rows import RULE, record
from worker.database.engine import snapshot
from worker.models import ChartPlace
from worker.statistics import Period, Subject, chart, refresh_charts, span
from worker.statistics.chart_differences import ChartDifference, chart_differences, up_to_date
from worker.statistics.rollups.sweep import refresh

TODAY: Final = date(2021, 4, 22)
WRONG: Final[dict[str, Any]] = {
    "place": ChartPlace.place + 100,
    "identity": UUID(int=1),
    "artist": "Nobody",
    "title": "Nothing",
    "plays": ChartPlace.plays + 1,
    "listens": ChartPlace.listens + 1,
    "ms_played": ChartPlace.ms_played + 1,
    "listeners": ChartPlace.listeners + 1,
}


@pytest.fixture
def drawn(engine: Engine) -> Iterator[Connection]:
    """Two listeners, a duet and a song without an album; what a test changes is never committed."""
    duet = song(title="Duet", artist="A & B", artists=["A", "B"], album="Both", album_artist="A")
    record(
        engine,
        *(play(user=user, time=f"2021-04-{day}T12:00:00Z", song=duet) for user in ("ada", "bob") for day in (21, 22)),
        play(user="bob", time="2021-04-22T13:00:00Z", song=song(title="Alone", artist="B", album=None)),
        play(user="ada", time="2021-04-22T13:00:00Z", song=song(title="Skipped", artist="C"), ms_played=0),
    )
    refresh(engine, RULE)
    refresh_charts(engine, today=TODAY, closed=True)
    with engine.connect() as connection:
        yield connection


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("subject", Subject)
def test_a_wrong_value_in_any_column_of_a_chart_is_a_difference(
    drawn: Connection, period: Period, subject: Subject
) -> None:
    charted = span(period, TODAY)
    places = len(chart(drawn, subject, charted, most=500))
    assert places > 0
    for column, wrong in WRONG.items():
        of_chart = update(ChartPlace).where(ChartPlace.subject == subject.value, ChartPlace.period == period.value)
        drawn.execute(of_chart.where(ChartPlace.starts_on == charted.first).values({column: wrong}))
        assert list(chart_differences(drawn, [charted])) == [ChartDifference(subject, charted, places, places)], column
        drawn.rollback()
    assert list(chart_differences(drawn, [charted])) == []


@pytest.mark.parametrize("subject", Subject)
def test_a_place_that_is_missing_or_too_many_is_a_difference(drawn: Connection, subject: Subject) -> None:
    week = span(Period.WEEK, TODAY)
    of_chart = (ChartPlace.subject == subject.value, ChartPlace.period == "week")
    first = dict(
        drawn.execute(select(*ChartPlace.__table__.c).where(*of_chart, ChartPlace.place == 1)).mappings().one()
    )
    drawn.execute(delete(ChartPlace).where(*of_chart, ChartPlace.place == 1))
    assert list(chart_differences(drawn, [week])) == [ChartDifference(subject, week, 1, 0)]
    drawn.rollback()
    drawn.execute(insert(ChartPlace).values({**first, "place": 99}))
    assert list(chart_differences(drawn, [week])) == [ChartDifference(subject, week, 0, 1)]


def test_a_chart_of_a_day_without_rollups_is_a_difference(drawn: Connection) -> None:
    nothing_heard = span(Period.DAY, date(2030, 1, 1))
    row = dict(drawn.execute(select(*ChartPlace.__table__.c).limit(1)).mappings().one())
    drawn.execute(insert(ChartPlace).values({**row, "period": "day", "starts_on": nothing_heard.first}))
    (difference,) = chart_differences(drawn, [nothing_heard])
    assert (difference.wanted, difference.found) == (0, 1)


def test_periods_with_a_day_that_waits_are_not_compared(engine: Engine, drawn: Connection) -> None:
    weeks = [span(Period.WEEK, day) for day in (TODAY, date(2021, 5, 3))]
    assert list(up_to_date(drawn, weeks)) == weeks
    drawn.rollback()
    record(engine, play(time="2021-05-04T12:00:00Z"))
    with snapshot(engine) as session:
        assert list(up_to_date(session.connection(), weeks)) == weeks[:1]
