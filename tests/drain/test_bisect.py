"""A database that refuses one row for real must not stop that row's neighbours."""

import math
from collections.abc import Callable, Iterator

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import Engine, event, text

from tests.support.events import play_payload, play_payloads
from tests.support.processes import count
from worker.books import Outcome
from worker.database.engine import snapshot, transaction
from worker.drain.drain import Drain
from worker.operations.dead_letters import count_by_reason, find
from worker.stream.consumer import EventStream

REFUSED_MS = 666
# Of eight that are all refused: some are buried by then, and not all.
TIME_FOR_COMMITS = 5

REFUSE = {
    "postgresql": f"ALTER TABLE play_history ADD CONSTRAINT no_beast CHECK (ms_played <> {REFUSED_MS})",
    "sqlite": f"""
        CREATE TRIGGER no_beast BEFORE INSERT ON play_history WHEN NEW.ms_played = {REFUSED_MS}
        BEGIN SELECT RAISE(ABORT, 'no beast'); END
    """,
}
ALLOW = {
    "postgresql": "ALTER TABLE play_history DROP CONSTRAINT IF EXISTS no_beast",
    "sqlite": "DROP TRIGGER IF EXISTS no_beast",
}


@pytest.fixture
def picky(engine: Engine) -> Iterator[Engine]:
    """A database that refuses every play of 666 ms."""
    with transaction(engine) as session:
        session.execute(text(REFUSE[engine.dialect.name]))
    yield engine
    allow(engine)


def allow(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text(ALLOW[engine.dialect.name]))


def refused(title: str = "Beast") -> bytes:
    return play_payload(title, ms_played=REFUSED_MS)


@pytest.mark.parametrize("place", [0, 1, 499, 999])
def test_a_row_that_the_database_refuses_is_buried_alone(stream: EventStream, picky: Engine, place: int) -> None:
    good = play_payloads(999)
    stream.append([*good[:place], refused(), *good[place:]])
    tally = Drain(stream, picky, "a").run()
    assert tally.outcomes == {Outcome.RECORDED: 999, Outcome.DEAD: 1}
    assert count(picky, "play_history") == 999
    (letter,) = find(picky)
    assert (letter.reason, letter.payload) == ("refused_by_database", refused())
    assert stream.books().balanced


def test_finding_the_refused_row_takes_few_transactions(stream: EventStream, picky: Engine) -> None:
    stream.append([*play_payloads(700), refused(), *play_payloads(299, start=700)])
    begun: list[None] = []
    listener: Callable[[object], None] = lambda _: begun.append(None)  # noqa: E731 -- typed
    event.listen(picky, "begin", listener)
    try:
        Drain(stream, picky, "a").run()
    finally:
        event.remove(picky, "begin", listener)
    # Twice for all, each time with users and songs before; then the halves, some of which have to ask for them again.
    assert len(begun) <= 3 * math.ceil(math.log2(1000)) + 6


def test_settled_entries_are_acknowledged_when_time_runs_out(stream: EventStream, picky: Engine) -> None:
    """A database that refuses every row takes longer over a batch than a task may: the next one goes on from there."""
    stream.append([refused(f"Beast {number}") for number in range(8)])
    commits = 0

    def is_up(_: object) -> None:
        nonlocal commits
        commits += 1
        if commits > TIME_FOR_COMMITS:
            raise SoftTimeLimitExceeded

    event.listen(picky, "commit", is_up)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            Drain(stream, picky, "a").run()
    finally:
        event.remove(picky, "commit", is_up)
    books = stream.books()
    assert 0 < books.dead == count(picky, "dead_letters") < 8
    assert books.waiting == 8 - books.dead
    Drain(stream, picky, "a").run()
    assert (stream.books().dead, count(picky, "dead_letters"), stream.books().balanced) == (8, 8, True)


def test_dead_letters_beside_refused_rows_are_kept_once(stream: EventStream, picky: Engine) -> None:
    stream.append([b"{", refused("a"), *play_payloads(20), b"[]", refused("b"), refused("c"), b"{"])
    tally = Drain(stream, picky, "a").run()
    assert tally.outcomes == {Outcome.RECORDED: 20, Outcome.DEAD: 6}
    assert count_by_reason(picky) == {"invalid_json": 2, "refused_by_database": 3, "wrong_type": 1}
    books = stream.books()
    assert (books.recorded, books.dead, books.waiting, books.balanced) == (20, 6, 0, True)


def test_a_batch_of_only_refused_rows_makes_progress(stream: EventStream, picky: Engine) -> None:
    stream.append([refused(f"song {number}") for number in range(8)])
    tally = Drain(stream, picky, "a", batch_size=8).run()
    assert tally.outcomes == {Outcome.DEAD: 8}
    assert stream.books().waiting == 0


def test_the_dead_letter_of_a_refused_row_hides_the_song(stream: EventStream, picky: Engine) -> None:
    stream.append([refused("a secret song")])
    Drain(stream, picky, "a").run()
    (letter,) = find(picky)
    assert "secret" not in letter.detail
    assert "refused" in letter.detail


def test_a_duplicate_beside_a_refused_row_is_still_a_duplicate(stream: EventStream, picky: Engine) -> None:
    stream.append([*play_payloads(10), refused(), *play_payloads(10)])
    tally = Drain(stream, picky, "a").run()
    assert tally.outcomes == {Outcome.RECORDED: 10, Outcome.DUPLICATE: 10, Outcome.DEAD: 1}


def test_songs_and_users_beside_a_refused_row_are_recorded(stream: EventStream, picky: Engine) -> None:
    stream.append([refused(), play_payload("Schism", user="bob"), play_payload("Lateralus", user="eve")])
    Drain(stream, picky, "a").run()
    with snapshot(picky) as session:
        titles = session.scalars(text("SELECT title FROM play_history JOIN songs ON song_id = songs.id ORDER BY 1"))
        assert titles.all() == ["Lateralus", "Schism"]
