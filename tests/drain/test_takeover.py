from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from tests.support.events import play_payloads
from tests.support.processes import count, named_by_another_process, waiting_process
from tests.support.stream_in_memory import Clock
from worker.books import Outcome
from worker.drain.drain import Drain
from worker.drain.neighbours import Neighbours
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import slot_consumer


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


def test_s4_entries_of_a_dead_process_here_are_taken_at_once(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(5))
    read_and_die(stream, named_by_another_process(), number=3)
    tally = Drain(stream, engine, "heir", batch_size=2).run()
    assert tally.outcomes == {Outcome.RECORDED: 5}
    assert [each.name for each in stream.consumers()] == ["heir"]


def test_s4_workers_started_alike_leave_each_other_their_own(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(5))
    mine = slot_consumer("celery@here", "0")
    with waiting_process("spawn") as (namesake, end):
        read_and_die(stream, namesake, number=3)
        assert Drain(stream, engine, mine).run().outcomes == {Outcome.RECORDED: 2}
        assert stream.books().pending == 3
        end()
        assert Drain(stream, engine, mine).run().outcomes == {Outcome.RECORDED: 3}


def test_s4_two_heirs_share_what_a_dead_process_left(stream: EventStream, engine: Engine, redis_url: str) -> None:
    stream.append(play_payloads(400))
    read_and_die(stream, named_by_another_process(), number=400)

    def drained(heir: str) -> int:
        with EventStream.opened(redis_url) as own:
            return Drain(own, engine, heir, batch_size=20).run().outcomes[Outcome.RECORDED]

    with ThreadPoolExecutor(2) as heirs:
        assert sum(heirs.map(drained, ["a", "b"])) == 400
    assert (stream.books().recorded, stream.books().duplicate, stream.books().waiting) == (400, 0, 0)


def looking_around(stream: EventStream, *pauses_s: float) -> None:
    """Look at the others as a drain of celery@here:0 does, after each of these pauses."""
    clock = Clock()
    neighbours = Neighbours(stream, slot_consumer("celery@here", "0"), monotonic=clock)
    for pause_s in pauses_s:
        clock.now_s += pause_s
        neighbours.look()


def test_s4_another_worker_of_the_same_name_is_logged_once(
    stream: EventStream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.ensure_group()
    stream.read_new("celery@here:0/5f1d8a2c9b3e4d7f", count=1, block_ms=0)
    looking_around(stream, 0)
    assert caplog.messages == []
    looking_around(stream, 0, 15, 15)
    (line,) = caplog.messages
    assert "another worker is called celery@here too" in line


def test_s4_a_predecessor_and_other_slots_are_no_namesakes(
    stream: EventStream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.ensure_group()
    for name in (named_by_another_process(), slot_consumer("celery@here", "1"), slot_consumer("celery@there", "0")):
        stream.read_new(name, count=1, block_ms=0)
    looking_around(stream, 0, 60)
    assert caplog.messages == []


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
