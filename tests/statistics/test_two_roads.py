"""Plays that several sources report count once; two plays by one source stay two."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from tests.support import brute_force
from tests.support.events import event_id, play, song
from tests.support.rollup_rows import RULE, emptied, record, rollups_of_everyone, rollups_of_user
from tests.support.strategies import ON_DATABASE
from worker.database.engine import snapshot, transaction
from worker.models import PlayHistory, StaleDay, User
from worker.statistics import ONE_DAY, ListenRule, UserListening, second_reports
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

START = datetime(2021, 4, 22, 23, 59, 30, tzinfo=UTC)


def heard(seconds: float, source: Any, *, duration_s: float | None = None, **changes: Any) -> dict[str, Any]:
    time = (START + timedelta(seconds=seconds)).isoformat()
    of = song(duration_ms=... if duration_s is None else round(1000 * duration_s))
    return play(**({"time": time, "source": source, "song": of} | changes))


def plays_counted(engine: Engine) -> int:
    refresh(engine, RULE)
    assert verify(engine, RULE).exact
    return sum(plays for plays, _, _ in brute_force.stored(engine).hours.values())


def sources_of_second_reports(engine: Engine) -> list[str]:
    """For each play that does not count the source that does."""
    with snapshot(engine) as session:
        found: list[str] = []
        for user_id in session.scalars(select(User.id)):
            of = UserListening(session.connection(), user_id, RULE)
            found += second_reports(of, {START.date(), START.date() + ONE_DAY}).values()
        return found


@pytest.mark.parametrize(
    ("plays", "counted"),
    [
        ([heard(0, "live"), heard(0.437, "import")], 1),
        ([heard(0, "live"), heard(29.9, "import")], 1),
        ([heard(0, "live"), heard(30, "import")], 2),
        ([heard(0, "live"), heard(20, "live")], 2),
        ([heard(0, "live"), heard(20, ...)], 1),
        ([heard(0, "live"), heard(10, "import"), heard(20, "phone")], 1),
        ([heard(0, "live"), heard(99, "import", duration_s=200)], 1),
        ([heard(0, "live"), heard(100, "import", duration_s=200)], 2),
        ([heard(0, "live", duration_s=3600), heard(120, "import")], 2),
        ([heard(0, "live"), heard(20, "live"), heard(21, "import")], 2),
        ([heard(0, "live"), heard(18, "import"), heard(20, "live"), heard(38, "import")], 2),
        ([heard(0, "live"), heard(10, "import", user="bob")], 2),
        ([heard(0, "live"), heard(10, "import", song=song(title="Schism"))], 2),
        ([heard(0, "lastfm-export-minutes"), heard(59, "lastfm-export")], 1),
        ([heard(0, "lastfm-export-minutes"), heard(61, "lastfm-export")], 2),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_close_plays_of_different_sources_count_once(
    engine: Engine, plays: Sequence[dict[str, Any]], counted: int, order: int
) -> None:
    for each in plays[::order]:
        record(engine, each)
        refresh(engine, RULE)
    assert plays_counted(engine) == counted
    with snapshot(engine) as session:
        assert len(session.scalars(select(PlayHistory.id)).all()) == len(plays)
    assert len(sources_of_second_reports(engine)) == len(plays) - counted


def test_the_play_whose_length_is_known_counts(engine: Engine) -> None:
    record(engine, heard(0, "a"), heard(5, "b", ms_played=200_000))
    refresh(engine, RULE)
    assert list(brute_force.stored(engine).hours.values()) == [(1, 1, 200_000)]


def test_a_second_report_is_named_with_the_source_that_counts(engine: Engine) -> None:
    record(engine, heard(0, "b"), heard(20, "b"), heard(21, "a"), heard(9_000, ..., ms_played=9), heard(9_001, "c"))
    assert sorted(sources_of_second_reports(engine)) == ["", "b"]


@pytest.mark.parametrize(("plays", "counted"), [(100, 50), (300, 300)])
def test_a_run_of_hours_is_no_second_report(engine: Engine, plays: int, counted: int) -> None:
    """Every 25 s by one source, then the other: 41 minutes, and over two hours, of which each play sees one."""
    record(engine, *(heard(25 * number, "ab"[number % 2]) for number in range(plays)))
    assert plays_counted(engine) == counted
    assert len(sources_of_second_reports(engine)) == plays - counted


def test_0_seconds_count_every_play(engine: Engine) -> None:
    record(engine, heard(0, "a"), heard(0.5, "b"))
    refresh(engine, ListenRule(same_play_s=0))
    assert verify(engine, ListenRule(same_play_s=0)).exact
    assert sum(plays for plays, _, _ in brute_force.stored(engine).hours.values()) == 2


def test_a_deleted_play_leaves_the_other_to_count_on_its_own_day(engine: Engine) -> None:
    """The offsets put the two on different days, and only the day of the deleted one has a play that changed."""
    record(engine, heard(0, "a", ms_played=1), heard(20, "b", time="2021-04-23T01:59:50+02:00"))
    assert plays_counted(engine) == 1
    with transaction(engine) as session:
        session.execute(delete(PlayHistory).where(PlayHistory.source == "a"))
    assert plays_counted(engine) == 1
    assert {day.isoformat() for _, day, _ in brute_force.stored(engine).hours} == {"2021-04-23"}


def test_an_answer_computes_the_day_that_a_run_joins_to_a_waiting_one(engine: Engine) -> None:
    """The second report is on the next day by its offset, and counts, because its length is known."""
    record(engine, heard(0, "a"))
    refresh(engine, RULE)
    record(engine, heard(20, "b", time="2021-04-23T01:59:50+02:00", ms_played=200_000))
    with snapshot(engine) as session:
        (ada,) = session.scalars(select(User.id)).all()
        assert session.scalars(select(StaleDay.day)).all() == [START.date() + ONE_DAY]
    found = rollups_of_user(engine, ada)
    assert found == brute_force.rollups(engine).of(ada)
    assert {day for _, day, _ in found.hours} == {START.date() + ONE_DAY}


SOURCES = st.sampled_from(("a", "b", "lastfm-export-minutes"))
OFFSETS = st.sampled_from(("+00:00", "-00:00", "+02:00", "-11:00"))
PLAYS = st.builds(
    lambda number, user, title, second, source, duration, ms, offset: play(
        id=event_id(number),
        user=user,
        time=(START + timedelta(seconds=second)).replace(tzinfo=None).isoformat() + offset,
        source=source,
        song=song(title=title, duration_ms=duration or ...),
        ms_played=ms or ...,
    ),
    st.integers(1, 60),
    st.sampled_from(("ada", "bob")),
    st.sampled_from("xy"),
    st.integers(0, 40).map(lambda number: 9 * number) | st.integers(0, 500).map(lambda number: 25 * number),
    SOURCES,
    st.sampled_from((None, 40_000, 400_000)),
    st.sampled_from((None, 20_000)),
    OFFSETS,
)


@settings(ON_DATABASE)
@given(
    steps=st.lists(
        st.tuples(st.lists(PLAYS, max_size=6), st.sampled_from(("sweep", "wait", "delete", "rule"))), max_size=6
    )
)
def test_any_order_counts_as_a_recount_does(engine: Engine, steps: Sequence[tuple[list[Any], str]]) -> None:
    emptied(engine)
    rule = RULE
    for plays, then in steps:
        record(engine, *plays)
        if then == "delete":
            with transaction(engine) as session:
                session.execute(delete(PlayHistory).where(PlayHistory.source == "a", PlayHistory.ms_played.is_(None)))
        elif then == "rule":
            rule = ListenRule(same_play_s=20 if rule == RULE else 120)
            with transaction(engine) as session:
                mark_all(session.connection())
        wanted = brute_force.rollups(engine, same_play_s=rule.same_play_s)
        with snapshot(engine) as session:
            users = session.scalars(select(User.id)).all()
        for user_id in users:
            assert rollups_of_user(engine, user_id, rule) == wanted.of(user_id)
        if then == "sweep":
            refresh(engine, rule)
            assert brute_force.stored(engine) == wanted
            assert rollups_of_everyone(engine, rule) == wanted
            assert verify(engine, rule).exact
