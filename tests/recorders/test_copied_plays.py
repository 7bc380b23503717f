"""COPY, by which PostgreSQL gets the plays of a batch that holds no duplicate, stores what INSERT would store."""

import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, select

from tests.support.events import CANARY, Fields, accepted, event_id, play, song
from worker.books import Outcome
from worker.database.engine import snapshot, transaction
from worker.errors import RowRefusedError
from worker.models import PlayHistory, Song, StaleDay
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.recorders.play_to_record import PlayToRecord
from worker.recorders.plays import CopyPolicy, Search, record_plays
from worker.recorders.stale_days import mark_stale_days

AFTER = datetime(2021, 4, 23, tzinfo=UTC)
RECORDED, DUPLICATE, DEAD = Outcome.RECORDED, Outcome.DUPLICATE, Outcome.DEAD


def outcomes(engine: Engine, *events: Fields, known: Known) -> list[Outcome]:
    with transaction(engine) as session:
        recorded = record_batch(session.connection(), accepted(*events), known=known)
    known.remember(recorded)
    return [recorded.outcomes[f"{number}-0"] for number in range(1, len(events) + 1)]


def stored(engine: Engine) -> list[PlayHistory]:
    with snapshot(engine) as session:
        return list(session.scalars(select(PlayHistory).order_by(PlayHistory.id)))


def inserts(engine: Engine) -> AbstractContextManager[list[str]]:
    """The INSERT statements into `play_history` that SQLAlchemy sees; COPY goes past it."""
    return statements_with(engine, "INSERT INTO play_history")


def searches(engine: Engine) -> AbstractContextManager[list[str]]:
    """The statements that look for stored plays before COPY."""
    return statements_with(engine, "unnest(")


@contextmanager
def statements_with(engine: Engine, words: str) -> Iterator[list[str]]:
    seen: list[str] = []

    def listener(*arguments: Any) -> None:
        if words in arguments[2]:
            seen.append(arguments[2])

    event.listen(engine, "before_cursor_execute", listener)
    yield seen
    event.remove(engine, "before_cursor_execute", listener)


def test_a_batch_of_new_plays_is_copied(postgres: Engine) -> None:
    with inserts(postgres) as seen:
        assert outcomes(postgres, play(), play(user="bob"), known=Known()) == [RECORDED, RECORDED]
    assert seen == []
    assert len(stored(postgres)) == 2


def test_a_batch_with_a_duplicate_is_copied_without_it(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    with inserts(postgres) as inserted, searches(postgres) as searched:
        assert outcomes(postgres, play(user="bob"), play(), play(user="eve"), known=known) == [
            RECORDED,
            DUPLICATE,
            RECORDED,
        ]
    assert (len(searched), inserted) == (1, [])
    assert len(stored(postgres)) == 3


@pytest.mark.parametrize(
    "again",
    [
        pytest.param({"id": event_id(1), "time": "2021-05-22T05:40:53Z"}, id="its-id"),
        pytest.param({"id": event_id(2), "time": "2021-04-22T05:40:53.123456Z"}, id="its-moment"),
    ],
)
def test_a_stored_play_is_found_by_either_of_its_keys(postgres: Engine, again: Fields) -> None:
    known = Known()
    first = play(id=event_id(1), time="2021-04-22T05:40:53.123456Z")
    outcomes(postgres, first, known=known)
    with inserts(postgres) as inserted:
        assert outcomes(postgres, play(**again), play(id=event_id(3), user="eve"), known=known)[1] is RECORDED
    assert inserted == []
    assert [str(row.id) for row in stored(postgres)] == [event_id(1), event_id(3)]


def test_a_batch_of_duplicates_alone_writes_nothing(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), play(user="bob"), known=known)
    with inserts(postgres) as inserted:
        assert outcomes(postgres, play(), play(user="bob"), known=known) == [DUPLICATE, DUPLICATE]
    assert inserted == []


def test_after_a_duplicate_the_next_19_batches_look_for_more(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    outcomes(postgres, play(), known=known)
    for is_careful in [True] * 19 + [False]:
        with searches(postgres) as seen:
            outcomes(postgres, play(time=f"2021-04-22T05:40:{len(stored(postgres)):02}Z"), known=known)
        assert bool(seen) is is_careful
    assert len(stored(postgres)) == 21


def test_a_duplicate_that_was_looked_for_keeps_the_next_batches_careful() -> None:
    policy = CopyPolicy()
    assert all(policy.searches() == [*Search] for _ in range(100))
    policy.saw_duplicate()
    assert policy.searches() == [Search.MOMENTS, Search.MOMENTS_AND_IDS]


def test_a_repeated_play_is_looked_for_by_its_moment_alone(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    with searches(postgres) as searched:
        for user in ("bob", "eve"):
            assert outcomes(postgres, play(), play(user=user), known=known) == [DUPLICATE, RECORDED]
    assert not any("stored.id" in statement for statement in searched)


def test_after_an_id_that_was_used_twice_the_next_19_batches_look_for_ids(postgres: Engine) -> None:
    known, first = Known(), play(id=event_id(1))
    outcomes(postgres, first, known=known)
    again = play(id=event_id(1), time="2021-05-22T05:40:53Z")
    with statements_with(postgres, "ROLLBACK TO SAVEPOINT") as undone:
        for second in range(20):
            new = play(time=f"2022-04-22T05:40:{second:02}Z")
            assert outcomes(postgres, again, new, known=known) == [DEAD, RECORDED]
    # By the first batch, with no search and with one of moments alone.
    assert len(undone) == 2
    with searches(postgres) as searched:
        outcomes(postgres, first, known=known)
    assert not any("stored.id" in statement for statement in searched)


def test_duplicates_in_each_batch_undo_no_second_copy(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    with statements_with(postgres, "ROLLBACK TO SAVEPOINT") as undone:
        for second in range(60):
            assert outcomes(postgres, play(), play(time=f"2022-04-22T05:40:{second:02}Z"), known=known) == [
                DUPLICATE,
                RECORDED,
            ]
    assert len(undone) == 1


def test_a_play_that_another_transaction_stores_in_between_is_a_duplicate(
    postgres: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    # What a search sees that ends before the other transaction commits.
    monkeypatch.setattr("worker.recorders.plays._not_stored", lambda _, plays, *__: plays)
    with inserts(postgres) as inserted:
        assert outcomes(postgres, play(user="bob"), play(), known=known) == [RECORDED, DUPLICATE]
    assert len(inserted) == 1
    assert len(stored(postgres)) == 2


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        pytest.param({"id": event_id(1)}, {"id": event_id(2)}, [RECORDED, DUPLICATE], id="one-moment"),
        pytest.param({"id": event_id(2)}, {"id": event_id(1)}, [DUPLICATE, RECORDED], id="one-moment-reversed"),
        pytest.param(
            {"id": event_id(1), "time": "2021-04-22T05:40:54+00:01"},
            {"id": event_id(1), "time": "2021-05-22T05:40:53+00:01"},
            [RECORDED, DEAD],
            id="one-id",
        ),
        pytest.param(
            {"id": event_id(1), "time": "2021-05-22T05:40:53+00:01"},
            {"id": event_id(1), "time": "2021-04-22T05:40:54+00:01"},
            [DEAD, RECORDED],
            id="one-id-reversed",
        ),
    ],
)
def test_of_equal_plays_in_a_batch_the_same_one_is_always_stored(
    engine: Engine, one: Fields, other: Fields, told: list[Outcome]
) -> None:
    with inserts(engine) as seen:
        assert outcomes(engine, play(**one), play(**other), known=Known()) == told
    assert bool(seen) is (engine.dialect.name == "sqlite")
    (row,) = stored(engine)
    assert str(row.id) == event_id(1)
    assert row.played_at.month == 4


def test_the_stored_one_of_two_equal_plays_marks_its_day(engine: Engine) -> None:
    later, earlier = (play(id=event_id(1), time=f"2021-0{month}-22T12:00:00+00:01") for month in (5, 4))
    outcomes(engine, later, earlier, known=Known())
    with snapshot(engine) as session:
        assert [day.month for day in session.scalars(select(StaleDay.day))] == [
            row.played_at.month for row in stored(engine)
        ]


def test_a_repeated_id_is_stored_with_the_free_moment(engine: Engine) -> None:
    known = Known()
    taken, free = "2021-03-28T12:00:00+00:01", "2021-10-31T12:00:00+00:01"
    outcomes(engine, play(id=event_id(1), time=taken), known=known)
    twice = [play(id=event_id(2), time=taken), play(id=event_id(2), time=free)]
    assert outcomes(engine, *twice, known=known) == [DUPLICATE, RECORDED]
    assert [row.played_at.month for row in stored(engine)] == [3, 10]
    with snapshot(engine) as session:
        assert {day.month for day in session.scalars(select(StaleDay.day))} == {3, 10}


@pytest.mark.parametrize(
    "text", ["\\N", "\\.", "a\tb", "a\\tb", "\\", "a\nb\r", '"', "'", "\\x41", "{}", "\u2028", "é🎵", "NULL"]
)
def test_text_that_means_something_to_copy_is_stored_literally(engine: Engine, text: str) -> None:
    outcomes(engine, play(source=f"-{text}-", context={text: text}), play(user="bob", source=f"{text}-"), known=Known())
    assert {(row.source, str(row.context)) for row in stored(engine)} == {
        (f"-{text}-", str({text: text})),
        (f"{text}-".strip(), "None"),
    }


def test_a_play_of_a_deleted_song_is_refused_and_no_duplicate(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(user=CANARY, song=song(title=CANARY)), known=known)
    with transaction(postgres) as session:
        session.execute(delete(Song))
    with inserts(postgres) as seen, pytest.raises(RowRefusedError) as caught:
        outcomes(
            postgres,
            play(user=CANARY, song=song(title=CANARY), source=CANARY, time="2022-01-01T00:00:00Z"),
            known=known,
        )
    assert seen == []
    # PostgreSQL's own message quotes the line that COPY was at.
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def a_play(**fields: Any) -> PlayToRecord:
    ordinary = PlayToRecord(
        user_id=1, played_at=datetime(2021, 4, 22, tzinfo=UTC), song_id=1, id=event_id(1), reported_at=None,
        ms_played=None, duration_ms=None, track_id=0, utc_offset_minutes=None, source=None, context=None,
        entry_id="1-0",
    )  # fmt: skip
    return ordinary._replace(**fields)


OPTIONAL: Fields = {
    "reported_at": datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
    "ms_played": 181_200,
    "duration_ms": 183_000,
    "utc_offset_minutes": -570,
    "source": "mpd",
    "context": {"shuffle": True},
}


@pytest.mark.parametrize("present", [some for n in range(7) for some in combinations(OPTIONAL, n)], ids=" ".join)
def test_each_combination_of_optional_values_is_stored_as_it_is(postgres: Engine, present: tuple[str, ...]) -> None:
    outcomes(postgres, play(), known=Known())
    (before,) = stored(postgres)
    given = a_play(user_id=before.user_id, song_id=before.song_id, id=event_id(9), track_id=7)
    given = given._replace(**{name: value for name, value in OPTIONAL.items() if name in present})
    with transaction(postgres) as session:
        record_plays(session.connection(), [given], CopyPolicy())
    row = next(row for row in stored(postgres) if str(row.id) == event_id(9))
    assert {name: getattr(row, name) for name in OPTIONAL} == {
        name: value if name in present else None for name, value in OPTIONAL.items()
    }
    assert (row.track_id, row.played_at) == (7, given.played_at)


@pytest.mark.parametrize(
    "extreme",
    [
        {"played_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"played_at": datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
        {"played_at": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)},
        {"reported_at": datetime(1970, 1, 1, tzinfo=UTC)},
        {"ms_played": 0, "duration_ms": 2**31 - 1},
        {"track_id": 2**63 - 1},
        {"utc_offset_minutes": -(2**15)},
        {"source": ""},
        {"source": "\u96e8" * 100},
        {"context": {}},
        {"context": {"\u96e8": ["\U0001f3b5", 1e-7, 0.1, -0.5, 2**62, None, {"a": [[]]}]}},
    ],
    ids=str,
)
def test_extreme_values_are_stored_as_they_are(postgres: Engine, extreme: Fields) -> None:
    outcomes(postgres, play(id=event_id(9)), known=Known())
    (before,) = stored(postgres)
    given = a_play(user_id=before.user_id, song_id=before.song_id, **extreme)
    # The row after it shows that its lengths are right, too.
    after = a_play(user_id=before.user_id, song_id=before.song_id, id=event_id(2), played_at=AFTER)
    with transaction(postgres) as session:
        record_plays(session.connection(), [given, after], CopyPolicy())
    assert len(stored(postgres)) == 3
    row = stored(postgres)[0]
    assert {name: getattr(row, name) for name in extreme} == extreme


@pytest.mark.parametrize(
    "impossible",
    [{"ms_played": 2**31}, {"duration_ms": -(2**31) - 1}, {"utc_offset_minutes": 2**15}, {"track_id": 2**63}],
    ids=str,
)
def test_a_number_that_does_not_fit_its_column_is_refused_and_nothing_is_cut_off(
    postgres: Engine, impossible: Fields
) -> None:
    outcomes(postgres, play(id=event_id(9)), known=Known())
    (before,) = stored(postgres)
    given = a_play(user_id=before.user_id, song_id=before.song_id, **impossible)
    with pytest.raises(RowRefusedError, match="OverflowError"), transaction(postgres) as session:
        record_plays(session.connection(), [given], CopyPolicy())
    assert len(stored(postgres)) == 1


def test_a_text_without_utf_8_is_refused(postgres: Engine) -> None:
    outcomes(postgres, play(id=event_id(9)), known=Known())
    (before,) = stored(postgres)
    for impossible in ({"source": "\ud800"}, {"context": {"a": "\ud800"}}):
        given = a_play(user_id=before.user_id, song_id=before.song_id, **impossible)
        with pytest.raises(RowRefusedError, match="UnicodeEncodeError"), transaction(postgres) as session:
            record_plays(session.connection(), [given], CopyPolicy())


@pytest.mark.parametrize(
    "day", [date(1, 1, 1), date(1999, 12, 31), date(2000, 1, 1), date(2024, 2, 29), date(9999, 12, 31)], ids=str
)
def test_the_day_of_a_mark_is_stored_as_it_is(postgres: Engine, day: date) -> None:
    outcomes(postgres, play(), known=Known())
    (before,) = stored(postgres)
    with transaction(postgres) as session:
        session.execute(delete(StaleDay))
        mark_stale_days(
            session.connection(), [(before.user_id, datetime(day.year, day.month, day.day, 12, tzinfo=UTC), 0)]
        )
    with snapshot(postgres) as session:
        assert session.execute(select(StaleDay.user_id, StaleDay.day)).all() == [(before.user_id, day)]
