"""Answers before a sweep has run, about a user and about everyone: each way in which a day can wait, one at a time."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, delete, event, insert, select, text, update

from tests.support import brute_force
from tests.support import rollup_rows as rows
from tests.support.events import event_id, play, preference, song
from tests.support.rollup_rows import RULE, record
from worker.contract.identity import artist_identity
from worker.database.engine import snapshot, transaction
from worker.models import ListeningHour, PlayHistory, Song, StaleDay, StaleHistory, User
from worker.statistics import (
    GlobalListening,
    Listened,
    Period,
    Subject,
    Totals,
    UserListening,
    days,
    heard,
    listened,
    local_time,
    songs_of,
    span,
    totals,
)
from worker.statistics.questions import backlog
from worker.statistics.questions.backlog import Backlog
from worker.statistics.questions.sources import FEW
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.pending import waiting_days
from worker.statistics.rollups.sweep import refresh

EVER = (date.min, date.max)
Change = Callable[[Engine], None]


def at(time: str, number: int, **changes: object) -> dict[str, object]:
    return play(id=event_id(number), time=time, **changes)


@pytest.fixture
def settled(engine: Engine) -> Engine:
    """Plays with an offset, and plays without one at both ends of a UTC day, all swept."""
    half = song(title="half", duration_ms=...)
    record(
        engine,
        at("2021-04-20T12:00:00+02:00", 1),
        at("2021-04-22T00:30:00Z", 2, song=half, ms_played=40_000),
        at("2021-04-22T23:30:00Z", 3),
        at("2021-04-22T12:00:00Z", 4, user="bob", song=half),
    )
    refresh(engine, RULE)
    assert waiting(engine, "ada") == []
    return engine


def user_id(engine: Engine, name: str) -> int:
    with snapshot(engine) as session:
        return session.scalars(select(User.id).where(User.username == name)).one()


def waiting(engine: Engine, name: str, first: date = date.min, last: date = date.max) -> list[date]:
    with snapshot(engine) as session:
        return list(waiting_days(session.connection(), user_id(engine, name), first, last))


def rollups_of(engine: Engine, name: str) -> brute_force.Rollups:
    return rows.rollups_of_user(engine, user_id(engine, name))


def _plays_more(engine: Engine) -> None:
    record(engine, at("2021-04-20T12:59:00+02:00", 5), at("2021-05-01T12:00:00+02:00", 6))


def _moves_east(engine: Engine) -> None:
    record(engine, preference(key="timezone", value="Pacific/Kiritimati"))


def _moves_west(engine: Engine) -> None:
    record(engine, preference(key="timezone", value="Pacific/Pago_Pago"))


def _learns_a_duration(engine: Engine) -> None:
    """By hand: 40 seconds of it are not a listen any more."""
    with transaction(engine) as session:
        session.execute(update(Song).where(Song.title == "half").values(duration_set_ms=600_000))


def _loses_a_play(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(delete(PlayHistory).where(PlayHistory.played_at == datetime(2021, 4, 22, 0, 30, tzinfo=UTC)))


def _loses_a_song(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(delete(Song).where(Song.title == "half"))


def _corrects_a_play(engine: Engine) -> None:
    with transaction(engine) as session:
        moved = update(PlayHistory).where(PlayHistory.played_at == datetime(2021, 4, 22, 23, 30, tzinfo=UTC))
        session.execute(moved.values(played_at=datetime(2021, 6, 1, 1, tzinfo=UTC)))


CHANGES = [
    _plays_more, _moves_east, _moves_west, _learns_a_duration, _loses_a_play, _loses_a_song, _corrects_a_play,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_answers_include_a_change_at_once(settled: Engine, change: Change) -> None:
    before = rollups_of(settled, "ada")
    change(settled)
    now = rollups_of(settled, "ada")
    assert now == brute_force.rollups(settled).of(user_id(settled, "ada"))
    assert now != before
    assert rows.rollups_of_everyone(settled) == brute_force.rollups(settled)
    refresh(settled, RULE)
    assert waiting(settled, "ada") == []
    assert rollups_of(settled, "ada") == now


@pytest.mark.parametrize("change", [_learns_a_duration, _moves_east])
def test_answers_include_a_change_at_every_step_of_a_sweep(settled: Engine, change: Change) -> None:
    change(settled)
    for _ in range(4):
        # One transaction at a time: the history is spread to days, then they are computed.
        assert rollups_of(settled, "ada") == brute_force.rollups(settled).of(user_id(settled, "ada"))
        assert rows.rollups_of_everyone(settled) == brute_force.rollups(settled)
        refresh(settled, RULE, budget_s=0, days_at_once=1)


def test_a_question_computes_only_its_own_stale_days(settled: Engine) -> None:
    _moves_east(settled)
    assert waiting(settled, "ada", date(2021, 4, 22), date(2021, 4, 22)) == [date(2021, 4, 22)]
    assert waiting(settled, "bob") == []


def computed(engine: Engine, ask: Callable[[UserListening], object]) -> list[str]:
    """The statements over plays of waiting days that a question about ada takes."""
    found: list[str] = []

    def remember(_: object, __: object, statement: str, *___: object) -> None:
        found.extend([statement] * ("linked AS" in statement))

    ada = user_id(engine, "ada")
    with snapshot(engine) as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", remember)
        ask(UserListening(connection, ada, RULE))
    return found


def test_a_few_waiting_days_are_computed_once_for_all_questions(settled: Engine) -> None:
    def ask(of: UserListening) -> None:
        assert days(of, *EVER) == days(of, *EVER)
        totals(of, span(Period.ALL, date.min))

    _plays_more(settled)
    assert len(computed(settled, ask)) == 1


def test_a_page_says_the_same_before_and_after_a_sweep(settled: Engine) -> None:
    """Its statements read several tables of what was computed, each with rows of its own."""
    ever = span(Period.ALL, date.min)
    tool = UUID(artist_identity("Tool"))

    def asked() -> list[object]:
        with snapshot(settled) as session:
            of = UserListening(session.connection(), user_id(settled, "ada"), RULE)
            found = heard(of, Subject.ARTIST, tool)
            return [totals(of, ever), listened(of, ever), found, songs_of(of, Subject.ARTIST, tool, most=9)]

    record(settled, *(at(f"2021-05-01T{hour:02}:00:00Z", 10 + hour, song=song(title=f"{hour}")) for hour in range(5)))
    before = asked()
    refresh(settled, RULE)
    assert asked() == before
    whole, sums, *_ = before
    assert isinstance(whole, Totals)
    assert sums == Listened(whole.plays, whole.listens, whole.ms_played)


def test_waiting_days_that_no_question_is_about_are_not_computed(settled: Engine) -> None:
    _plays_more(settled)
    assert computed(settled, lambda of: days(of, date(2021, 4, 22), date(2021, 4, 28))) == []


def test_many_waiting_days_stay_in_the_database(settled: Engine) -> None:
    record(settled, *(at(f"2021-05-{day:02}T12:00:00Z", day) for day in range(10, 10 + FEW + 1)))
    statements = computed(settled, lambda of: days(of, *EVER))
    assert any("computed_listening_hours_20210510 AS" in each for each in statements)


def test_filing_a_song_makes_no_day_stale(settled: Engine) -> None:
    with transaction(settled) as session:
        session.execute(update(Song).values(artist_identity=uuid4()))
    with snapshot(settled) as session:
        assert session.scalars(select(StaleHistory.charts_only)).all() == [True] * 2
        assert Backlog.of(session.connection(), *EVER, RULE) is None
    assert waiting(settled, "ada") == []


def test_a_stale_day_without_plays_is_empty(settled: Engine) -> None:
    ada = user_id(settled, "ada")
    with transaction(settled) as session:
        wrong = {"user_id": ada, "day": date(2021, 7, 1), "hour": 3, "plays": 1, "listens": 1, "ms_played": 1}
        session.execute(insert(ListeningHour).values(wrong))
        session.execute(insert(StaleDay).values(user_id=ada, day=date(2021, 7, 1), mark=uuid4()))
    with snapshot(settled) as session:
        for listening in (UserListening(session.connection(), ada, RULE), GlobalListening(session.connection(), RULE)):
            assert days(listening, date(2021, 7, 1), date(2021, 7, 1)) == []


def test_a_preference_of_another_key_counts_no_play_twice(settled: Engine) -> None:
    record(settled, preference(key="timezone", value="Europe/Vienna"), preference(key="home", value="Asia/Tokyo"))
    record(settled, preference(user="bob", key="home", value="Asia/Tokyo"), at("2021-04-22T20:30:00Z", 5, user="bob"))
    assert rollups_of(settled, "ada") == brute_force.rollups(settled).of(user_id(settled, "ada"))
    assert rows.rollups_of_everyone(settled) == brute_force.rollups(settled)


def test_a_timezone_spelled_in_two_ways_counts_no_play_twice(sqlite: Engine) -> None:
    for number, user in enumerate(("ada", "bob"), start=1):
        moved = preference(user=user, key="timezone", value="Europe/Vienna")
        record(sqlite, moved, at("2021-04-22T22:30:00Z", number, user=user))
    with transaction(sqlite) as session:
        # Valid JSON, as another program may write it. PostgreSQL normalises the spelling.
        session.execute(text(r"""UPDATE preferences SET value = '"Europe\/Vienna"' WHERE user_id = 1"""))
    assert rows.rollups_of_everyone(sqlite) == brute_force.rollups(sqlite)


@pytest.mark.parametrize("day", [date(2020, 7, 1), date(2022, 7, 1)])
def test_a_stale_history_has_no_day_without_plays(settled: Engine, day: date) -> None:
    ada = user_id(settled, "ada")
    with transaction(settled) as session:
        wrong = {"user_id": ada, "day": day, "hour": 3, "plays": 1, "listens": 1, "ms_played": 1}
        session.execute(insert(ListeningHour).values(wrong))
        mark_all(session.connection(), user_id=ada)
    assert rollups_of(settled, "ada") == brute_force.rollups(settled).of(ada)
    assert rows.rollups_of_everyone(settled) == brute_force.rollups(settled)


def test_only_timezones_that_stale_days_need_are_read(settled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    record(settled, preference(user="bob", key="timezone", value="America/New_York"))
    refresh(settled, RULE)
    record(settled, preference(key="timezone", value="Europe/Vienna"), at("2021-04-22T12:00:00Z", 5))
    refresh(settled, RULE)
    record(settled, at("2021-04-22T12:30:00Z", 6), at("2021-08-01T12:00:00Z", 7, user="eve"))
    looked_at: list[tuple[str | None, date, date]] = []

    def zone_rows(name: str | None, first: date, last: date) -> Iterator[dict[str, object]]:
        looked_at.append((name, first, last))
        return local_time.zone_rows(name, first, last)

    monkeypatch.setattr(backlog, "zone_rows", zone_rows)
    assert rows.rollups_of_everyone(settled) == brute_force.rollups(settled)
    # At noon UTC it is already tomorrow in some timezones, and yesterday in none.
    april, august = (date(2021, 4, 22), date(2021, 4, 23)), (date(2021, 8, 1), date(2021, 8, 2))
    assert set(looked_at) == {("Europe/Vienna", *april), (None, *august)}


def test_a_timezone_change_without_plays_makes_no_day_stale(engine: Engine) -> None:
    record(engine, preference(key="timezone", value="Europe/Vienna"))
    assert waiting(engine, "ada") == []
    assert rollups_of(engine, "ada") == brute_force.Rollups()


@pytest.mark.parametrize(
    ("change", "time", "day"),
    [
        (_moves_west, "2021-04-22T00:30:00Z", date(2021, 4, 21)),
        (_moves_east, "2021-04-22T23:30:00Z", date(2021, 4, 23)),
    ],
)
def test_a_stale_history_covers_the_day_before_and_after_it(
    engine: Engine, change: Change, time: str, day: date
) -> None:
    record(engine, at(time, 1))
    refresh(engine, RULE)
    change(engine)
    assert {key[1] for key in rollups_of(engine, "ada").hours} == {day}
