"""Sweeps beside writers and beside each other. Each of these orders of events loses a play in a simpler design."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, event, func, select, update

from tests.support.events import accepted, event_id, play, preference, song
from tests.support.rollup_rows import RULE, assert_exact, record
from worker.database.engine import snapshot, transaction
from worker.models import Song, SongDay, StaleChart, StaleDay, StaleHistory, User
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import Period, Place, Span, charts, drawing, rank, refresh_charts
from worker.statistics.rollups import compute as rollups
from worker.statistics.rollups.marks import spread_histories
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

TODAY = date(2021, 4, 22)


def test_a_play_committed_after_a_sweep_is_counted_by_the_next(postgres: Engine) -> None:
    record(postgres, play(id=event_id(1)))
    with transaction(postgres) as session:
        record_batch(session.connection(), accepted(play(id=event_id(2), song=song(title="b"))), known=Known())
        refresh(postgres, RULE)
    refresh(postgres, RULE)
    assert_exact(postgres)


def test_a_duration_set_late_counts_for_concurrent_plays(postgres: Engine) -> None:
    """Marking days at once would miss this play: it is stored and computed in between."""
    record(postgres, play(id=event_id(1), user="bob", ms_played=40_000))
    with transaction(postgres) as session:
        session.execute(update(Song).values(duration_set_ms=600_000))
        record(postgres, play(id=event_id(3), user="ada", ms_played=40_000))
        refresh(postgres, RULE)
        assert_exact(postgres)
    refresh(postgres, RULE)
    assert_exact(postgres)


def test_a_timezone_committed_late_counts_for_concurrent_plays(postgres: Engine) -> None:
    record(postgres, preference(user="ada", key="mood", value=1))
    with transaction(postgres) as session:
        change = preference(user="ada", key="timezone", value="Asia/Tokyo")
        record_batch(session.connection(), accepted(change), known=Known())
        record(postgres, play(id=event_id(3), user="ada", time="2021-04-22T20:00:00Z"))
        refresh(postgres, RULE)
    refresh(postgres, RULE)
    assert_exact(postgres)


def test_a_sweep_skips_users_that_another_sweep_has_locked(postgres: Engine) -> None:
    record(postgres, play(id=event_id(1), user="ada"), play(id=event_id(2), user="bob"))
    with transaction(postgres) as session:
        session.execute(select(User).where(User.username == "ada").with_for_update(key_share=True))
        refresh(postgres, RULE)
        with snapshot(postgres) as reader:
            assert reader.scalars(select(User.username).join(SongDay, SongDay.user_id == User.id)).all() == ["bob"]
            assert reader.scalar(select(func.count()).select_from(StaleDay)) == 2
    refresh(postgres, RULE)
    assert_exact(postgres)


def test_a_sweep_begins_with_the_oldest_stale_days(engine: Engine) -> None:
    """Otherwise users with low ids would be swept again and again, and the others never."""
    for user in ("ada", "bob", "eve"):
        record(engine, play(id=event_id(ord(user[0])), user=user))
    with transaction(engine) as session:
        eve = session.scalars(select(User.id).where(User.username == "eve")).one()
        long_ago = datetime(2021, 4, 22, tzinfo=UTC)
        session.execute(update(StaleDay).where(StaleDay.user_id == eve).values(created_at=long_ago))
    assert not refresh(engine, RULE, budget_s=0, days_at_once=1).finished
    with snapshot(engine) as session:
        days = Counter(session.scalars(select(StaleDay.user_id)))
    # A play without an offset marks two days or three, so hers are fewer now.
    assert days.pop(eve) < min(days.values())
    assert refresh(engine, RULE).finished
    assert_exact(engine)


@pytest.mark.parametrize(("most_plays", "steps"), [(1, [1, 1, 1, 0]), (3, [1, 1, 1, 0]), (4, [2, 1, 0])])
def test_spreading_histories_takes_at_most_most_plays_at_once(
    engine: Engine, most_plays: int, steps: list[int]
) -> None:
    """A transaction that outlasts its task would be rolled back and start again for ever."""
    for number, title in enumerate("aabbcc"):
        at = f"2021-04-{20 + number}T12:00:00Z"
        record(engine, play(id=event_id(number), time=at, song=song(title=title, duration_ms=...)))
    refresh(engine, RULE)
    with transaction(engine) as session:
        session.execute(update(Song).values(duration_set_ms=200_000))
    spread = []
    for _ in steps:
        with transaction(engine) as session:
            spread.append(spread_histories(session.connection(), most=20, most_plays=most_plays))
    assert spread == steps
    refresh(engine, RULE)
    assert_exact(engine)


def test_stale_days_inherit_the_age_of_their_stale_history(engine: Engine) -> None:
    record(engine, play(song=song(duration_ms=...)))
    refresh(engine, RULE)
    long_ago = datetime(2021, 4, 22, 12, 30, tzinfo=UTC)
    with transaction(engine) as session:
        session.execute(update(Song).values(duration_set_ms=200_000))
        session.execute(update(StaleHistory).values(created_at=long_ago))
    with transaction(engine) as session:
        assert spread_histories(session.connection(), most=20, most_plays=10) == 1
    with snapshot(engine) as session:
        assert set(session.scalars(select(StaleDay.created_at))) == {long_ago}


def test_marks_of_undrawn_charts_are_merged_into_one_a_day(engine: Engine) -> None:
    """Each sweep leaves a mark for each of its days: after a large import, more than fit into a worker's memory."""
    for number in range(3):
        record(engine, play(id=event_id(number), time="2021-04-22T12:00:00+02:00", song=song(title=str(number))))
        refresh(engine, RULE)
    assert marks_of_charts(engine) == 3
    refresh_charts(engine, today=TODAY + timedelta(days=800), closed=False)
    assert marks_of_charts(engine) == 1
    refresh_charts(engine, today=TODAY + timedelta(days=800), closed=True)
    assert marks_of_charts(engine) == 0
    assert_exact(engine)
    assert verify(engine, RULE).differences == []


def test_an_interrupted_chart_refresh_keeps_the_finished_years(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, year in enumerate((2019, 2020, 2021)):
        record(engine, play(id=event_id(number), time=f"{year}-04-22T12:00:00+02:00"))
    refresh(engine, RULE)

    class TimeIsUpError(Exception):
        pass

    def draw_until_2019(connection: Connection, spans: Sequence[Span]) -> None:
        if spans[0].first.year == 2019:
            raise TimeIsUpError
        drawing.draw(connection, spans)

    monkeypatch.setattr(charts, "draw", draw_until_2019)
    with pytest.raises(TimeIsUpError):
        refresh_charts(engine, today=TODAY, closed=True)
    monkeypatch.setattr(charts, "draw", drawing.draw)
    with snapshot(engine) as session:
        assert session.scalars(select(StaleChart.day)).all() == [date(2019, 4, 22)]
    assert refresh_charts(engine, today=TODAY, closed=True) == len(Period)
    assert verify(engine, RULE).exact


def test_charts_of_years_of_days_are_drawn_in_few_statements(engine: Engine) -> None:
    """Three years of days, weeks and months are some 3,900 charts: one by one they would hold a worker for minutes."""
    first = datetime(2019, 1, 1, 12, tzinfo=UTC)
    record(
        engine,
        *(
            play(
                id=event_id(number),
                user=f"user {number % 7}",
                time=(first + timedelta(days=number % 1_096)).isoformat().replace("+00:00", "+00:01"),
                song=song(title=f"{number % 11}", artist=f"{number % 5}", album=("a", "b", ...)[number % 3]),
            )
            for number in range(2_200)
        ),
    )
    refresh(engine, RULE)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    assert refresh_charts(engine, today=TODAY, closed=True) > 1_250
    assert len(statements) < 150
    assert verify(engine, RULE).exact


def test_a_mark_added_while_marks_are_merged_stays(postgres: Engine) -> None:
    """The mark is added between reading which days are marked and deleting all but one mark of each."""
    later = TODAY + timedelta(days=1)
    with transaction(postgres) as session:
        session.add(StaleChart(day=TODAY, mark=uuid4()))

    others = [StaleChart(day=later, mark=uuid4())]

    def marks_another(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("DELETE FROM stale_charts") and others:
            with transaction(postgres) as session:
                session.add(others.pop())

    event.listen(postgres, "before_cursor_execute", marks_another)
    try:
        refresh_charts(postgres, today=TODAY + timedelta(days=800), closed=False)
    finally:
        event.remove(postgres, "before_cursor_execute", marks_another)
    assert others == []
    with snapshot(postgres) as session:
        assert sorted(session.scalars(select(StaleChart.day))) == [TODAY, later]


def marks_of_charts(engine: Engine) -> int:
    with snapshot(engine) as session:
        return session.scalar(select(func.count()).select_from(StaleChart)) or 0


def test_a_sweep_does_not_hold_up_the_recorder(postgres: Engine) -> None:
    record(postgres, play(id=event_id(1), user="ada"))
    with transaction(postgres) as session:
        session.execute(select(User).with_for_update(key_share=True))
        # The play references the same user, in a transaction that waits at most five seconds for a lock.
        record(postgres, play(id=event_id(2), user="ada", song=song(title="b")))
    refresh(postgres, RULE)
    assert_exact(postgres)


def test_a_play_committed_while_its_day_is_computed_stays_marked(
    postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marks must be cleared before the plays are read, not after."""
    record(postgres, play(id=event_id(1)))
    compute = rollups.compute_days

    def computed_too_early(*arguments: Any) -> Any:
        joined = compute(*arguments)
        record(postgres, play(id=event_id(2), song=song(title="b")))
        return joined

    with monkeypatch.context() as patch:
        patch.setattr("worker.statistics.rollups.sweep.compute_days", computed_too_early)
        refresh(postgres, RULE, budget_s=0)
    refresh(postgres, RULE)
    assert_exact(postgres)


def test_a_day_computed_while_its_chart_is_drawn_stays_marked(
    postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(postgres, play(id=event_id(1)))
    refresh(postgres, RULE)

    def ranked_too_early(*arguments: Any, **options: Any) -> Sequence[Place]:
        places = rank(*arguments, **options)
        monkeypatch.undo()
        record(postgres, play(id=event_id(2), song=song(title="b")))
        refresh(postgres, RULE)
        return places

    monkeypatch.setattr(drawing, "rank", ranked_too_early)
    refresh_charts(postgres, today=TODAY, closed=True)
    refresh_charts(postgres, today=TODAY, closed=True)
    comparison = verify(postgres, RULE)
    assert (comparison.waiting, comparison.differences) == (0, [])


def some_plays(writer: int, batch: int) -> list[dict[str, object]]:
    return [
        play(
            id=event_id(10_000 * writer + 100 * batch + number),
            user=f"user {number % 4}",
            time=f"2021-04-{10 + number % 9}T{batch:02}:{writer:02}:00{('Z', '+02:00')[number % 2]}",
            song=song(title=f"{number % 3}", duration_ms=60_000 if batch == number else ...),
            ms_played=10_000 * number,
        )
        for number in range(20)
    ]


def test_writers_and_sweeps_at_once_end_in_exact_statistics(engine: Engine) -> None:
    rounds = 15

    def write(writer: int) -> None:
        for batch in range(rounds):
            record(engine, *some_plays(writer, batch))

    def sweep() -> None:
        for _ in range(rounds):
            refresh(engine, RULE, days_at_once=7)

    def draw() -> None:
        for _ in range(3):
            refresh_charts(engine, today=TODAY, closed=True)

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(write, 1), pool.submit(write, 2), pool.submit(sweep), pool.submit(sweep)]
        running.append(pool.submit(draw))
    for each in running:
        each.result()
    refresh(engine, RULE)
    assert_exact(engine)
    refresh_charts(engine, today=TODAY, closed=True)
    assert verify(engine, RULE).exact
