"""COPY, by which PostgreSQL gets the plays of a batch that holds no duplicate, stores what INSERT would store."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
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
from worker.recorders.plays import CopyPolicy

RECORDED, DUPLICATE, DEAD = Outcome.RECORDED, Outcome.DUPLICATE, Outcome.DEAD


def outcomes(engine: Engine, *events: Fields, known: Known) -> list[Outcome]:
    with transaction(engine) as session:
        recorded = record_batch(session.connection(), accepted(*events), known=known)
    known.remember(recorded)
    return [recorded.outcomes[f"{number}-0"] for number in range(1, len(events) + 1)]


def stored(engine: Engine) -> list[PlayHistory]:
    with snapshot(engine) as session:
        return list(session.scalars(select(PlayHistory).order_by(PlayHistory.id)))


@contextmanager
def inserts(engine: Engine) -> Iterator[list[str]]:
    """The INSERT statements into `play_history` that SQLAlchemy sees; COPY goes past it."""
    seen: list[str] = []

    def listener(*arguments: Any) -> None:
        if "INSERT INTO play_history" in arguments[2]:
            seen.append(arguments[2])

    event.listen(engine, "before_cursor_execute", listener)
    yield seen
    event.remove(engine, "before_cursor_execute", listener)


def test_a_batch_of_new_plays_is_copied(postgres: Engine) -> None:
    with inserts(postgres) as seen:
        assert outcomes(postgres, play(), play(user="bob"), known=Known()) == [RECORDED, RECORDED]
    assert seen == []
    assert len(stored(postgres)) == 2


def test_a_batch_with_a_duplicate_is_inserted_without_loss(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    with inserts(postgres) as seen:
        assert outcomes(postgres, play(user="bob"), play(), play(user="eve"), known=known) == [
            RECORDED,
            DUPLICATE,
            RECORDED,
        ]
    assert len(seen) == 1
    assert len(stored(postgres)) == 3


def test_after_a_duplicate_the_next_19_batches_are_not_copied(postgres: Engine) -> None:
    known = Known()
    outcomes(postgres, play(), known=known)
    outcomes(postgres, play(), known=known)
    for careful in [True] * 19 + [False]:
        with inserts(postgres) as seen:
            outcomes(postgres, play(time=f"2021-04-22T05:40:{len(stored(postgres)):02}Z"), known=known)
        assert bool(seen) is careful
    assert len(stored(postgres)) == 21


def test_a_copy_policy_lasts_until_it_sees_a_duplicate() -> None:
    policy = CopyPolicy()
    assert all(policy.try_copy() for _ in range(100))
    policy.saw_duplicate()
    assert not policy.try_copy()


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
