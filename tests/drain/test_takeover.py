import pytest
from sqlalchemy import Engine

from tests.support.events import play_payloads
from tests.support.processes import count
from worker.books import Outcome
from worker.drain.drain import Drain
from worker.stream.consumer import EventStream


def read_and_die(stream: EventStream, consumer: str, *, number: int) -> None:
    stream.ensure_group()
    assert len(stream.read_new(consumer, count=number, block_ms=0).entries) == number


def test_a_restarted_consumer_finishes_its_pending_entries(stream: EventStream, engine: Engine) -> None:
    """At once, because its entries are abandoned only after a minute (F1)."""
    stream.append(play_payloads(5))
    read_and_die(stream, "a", number=3)
    Drain(stream, engine, "a", batch_size=2).run()
    assert count(engine, "play_history") == 5
    books = stream.books()
    assert (books.recorded, books.pending, books.waiting) == (5, 0, 0)


def test_entries_of_a_dead_consumer_are_taken_over(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(5))
    read_and_die(stream, "dead", number=3)
    tally = Drain(stream, engine, "heir", batch_size=2, abandoned_ms=0).run()
    assert tally.outcomes == {Outcome.RECORDED: 5}
    assert stream.books().pending == 0


def test_entries_held_by_a_living_consumer_are_left_to_it(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(5))
    read_and_die(stream, "busy", number=3)
    tally = Drain(stream, engine, "heir").run()
    assert tally.outcomes == {Outcome.RECORDED: 2}
    assert stream.books().pending == 3


def test_a_consumer_that_was_taken_for_dead_counts_nothing_twice(
    stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Robbed between its commit and its acknowledgement, it counts nothing a second time (F21)."""
    stream.append(play_payloads(5))
    acknowledge = stream.acknowledge

    def robbed_first(outcomes: dict[Outcome, list[str]]) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(stream, "acknowledge", acknowledge)
            Drain(stream, engine, "heir", abandoned_ms=0).run()
        return acknowledge(outcomes)

    monkeypatch.setattr(stream, "acknowledge", robbed_first)
    Drain(stream, engine, "sleeper").run()
    assert count(engine, "play_history") == 5
    books = stream.books()
    assert (books.recorded + books.duplicate, books.waiting, books.balanced) == (5, 0, True)


def test_a_committed_event_that_is_taken_over_is_a_duplicate(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(3))
    Drain(stream, engine, "other").run()
    stream.append(play_payloads(3))
    read_and_die(stream, "dead", number=3)
    tally = Drain(stream, engine, "heir", abandoned_ms=0).run()
    assert tally.outcomes == {Outcome.DUPLICATE: 3}
    assert count(engine, "play_history") == 3
