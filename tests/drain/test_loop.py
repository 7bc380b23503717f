"""The drain's loop alone: an in-memory stream, and a clock that only the test moves."""

from typing import NoReturn, cast

import pytest
from sqlalchemy import Engine

from tests.support.events import play_payloads
from tests.support.processes import count
from tests.support.stream_in_memory import StreamInMemory
from worker.books import Outcome
from worker.drain.drain import Drain
from worker.errors import DatabaseMisusedError, StreamMisusedError, StreamUnavailableError, ZikError
from worker.stream.consumer import BLOCK_MS, EventStream
from worker.stream.entries import Batch, Entry


def entries(number: int, *, start: int) -> list[Entry]:
    return [Entry(f"{start + i}-0", payload) for i, payload in enumerate(play_payloads(number, start=start))]


@pytest.fixture
def memory() -> StreamInMemory:
    return StreamInMemory()


@pytest.fixture
def drain(memory: StreamInMemory, sqlite: Engine) -> Drain:
    return Drain(cast(EventStream, memory), sqlite, "a", batch_size=2, monotonic=memory.clock)


def test_own_entries_come_first_then_abandoned_then_new_ones(drain: Drain, memory: StreamInMemory) -> None:
    memory.give("a", *entries(3, start=20))
    memory.give("dead", *entries(3, start=10), idle_s=60)
    memory.add(*entries(3, start=0))
    drain.run()
    assert memory.acknowledged == [f"{number}-0" for number in (20, 21, 22, 10, 11, 12, 0, 1, 2)]
    assert memory.calls[0] == "group"


def test_without_dry_s_a_dry_stream_ends_the_drain_at_once(drain: Drain, memory: StreamInMemory) -> None:
    tally = drain.run()
    assert (tally.events, tally.batches) == (0, 0)
    assert memory.calls == ["group", "pending", "abandoned", "new"]
    assert memory.blocked_ms == [0]


def test_everything_new_is_drained_in_batches_of_the_given_size(drain: Drain, memory: StreamInMemory) -> None:
    memory.add(*entries(5, start=0))
    tally = drain.run()
    assert (tally.events, tally.batches) == (5, 3)
    assert tally.outcomes == {Outcome.RECORDED: 5}


def test_a_drain_ends_after_the_stream_was_dry_for_dry_s(drain: Drain, memory: StreamInMemory) -> None:
    started_s = memory.clock.now_s
    drain.run(dry_s=1.2)
    assert memory.clock.now_s - started_s == pytest.approx(1.2, abs=0.01)
    assert max(memory.blocked_ms) <= BLOCK_MS


def test_an_event_during_the_wait_is_drained_and_restarts_it(drain: Drain, memory: StreamInMemory) -> None:
    arrival_s = memory.clock.now_s + 1.0
    late = entries(1, start=0)
    read_new = memory.read_new

    def read_or_arrive(consumer: str, *, count: int, block_ms: int) -> Batch:
        if late and memory.clock.now_s >= arrival_s:
            memory.add(late.pop())
        return read_new(consumer, count=count, block_ms=block_ms)

    memory.read_new = read_or_arrive  # type: ignore[method-assign]
    tally = drain.run(dry_s=1.2)
    assert tally.events == 1
    assert memory.clock.now_s == pytest.approx(arrival_s + 1.2, abs=0.01)


def test_the_budget_ends_a_drain_that_never_runs_dry(drain: Drain, memory: StreamInMemory) -> None:
    memory.add(*entries(100, start=0))
    memory.read_takes_s = 1.0
    tally = drain.run(budget_s=3.0, dry_s=1.2)
    assert tally.batches == 3
    assert len(memory.acknowledged) == 6


def test_first_reads_record_no_attempts(drain: Drain, memory: StreamInMemory) -> None:
    memory.add(*entries(5, start=0))
    drain.run()
    assert "begin" not in memory.calls


def test_attempts_survived_during_an_outage_are_cleared_later(drain: Drain, memory: StreamInMemory) -> None:
    memory.give("a", *entries(2, start=0))
    memory.away = True
    for _ in range(9):
        with pytest.raises(StreamUnavailableError):
            drain.run()
    memory.away = False
    assert set(memory.recorded_attempts.values()) == {1}
    drain.run()
    assert memory.recorded_attempts == {}


def test_the_budget_counts_for_pending_entries_too(drain: Drain, memory: StreamInMemory) -> None:
    memory.give("a", *entries(100, start=0))
    memory.on_acknowledge = lambda: setattr(memory.clock, "now_s", memory.clock.now_s + 1.0)
    assert drain.run(budget_s=2.0).batches == 2


def test_a_long_drain_claims_abandoned_entries_repeatedly(drain: Drain, memory: StreamInMemory) -> None:
    memory.add(*entries(40, start=0))
    memory.read_takes_s = 1.0
    drain.run(dry_s=1.2)
    looked = memory.calls.count("abandoned")
    assert 2 <= looked <= 3


def test_vanished_entries_are_forgotten_and_write_no_row(drain: Drain, memory: StreamInMemory, sqlite: Engine) -> None:
    memory.give("a", *entries(1, start=7))
    memory.delete("7-0")
    tally = drain.run()
    assert memory.vanished == ["7-0"]
    assert memory.acknowledged == []
    assert tally.events == 0
    assert count(sqlite, "dead_letters") == 0


def test_an_acknowledgement_finds_the_rows_committed(drain: Drain, memory: StreamInMemory, sqlite: Engine) -> None:
    seen: list[int] = []
    memory.on_acknowledge = lambda: seen.append(count(sqlite, "play_history"))
    memory.add(*entries(5, start=0))
    drain.run()
    assert seen == [2, 4, 5]


def test_each_batch_logs_one_line_of_counts_and_entry_ids(
    drain: Drain, memory: StreamInMemory, caplog: pytest.LogCaptureFixture
) -> None:
    memory.add(*entries(1, start=0), Entry("9-0", b"a secret song"))
    with caplog.at_level("INFO"):
        drain.run()
    (line,) = [vars(record) for record in caplog.records]
    assert (line["recorded"], line["duplicate"], line["dead"], line["vanished"]) == (1, 0, 1, 0)
    assert (line["first_entry"], line["last_entry"], line["entries"]) == ("0-0", "9-0", 2)
    assert {"decode_ms", "record_ms", "acknowledge_ms"} <= line.keys()
    assert "secret" not in str(line)


def test_at_debug_each_event_is_logged_with_its_entry_and_row_id(
    drain: Drain, memory: StreamInMemory, sqlite: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    memory.add(*entries(1, start=0), Entry("9-0", b"a secret song"))
    with caplog.at_level("DEBUG", logger="worker.drain.log"):
        drain.run()
    play, letter = [vars(record) for record in caplog.records if record.message == "event"]
    assert (play["entry"], play["type"], play["outcome"]) == ("0-0", "play", "recorded")
    assert count(sqlite, "play_history", f"id = '{play['event_id'].replace('-', '')}'") == 1
    assert (letter["entry"], letter["outcome"], letter["reason"]) == ("9-0", "dead", "invalid_json")
    assert [word for word in ("secret", "ada", "Tool", "song 0") if word in f"{play} {letter}"] == []


def test_a_drain_reports_progress_each_second_and_at_its_end(drain: Drain, memory: StreamInMemory) -> None:
    drain.run(dry_s=5.0)
    assert 5 <= len(memory.reported) <= 7


def test_measurements_of_small_batches_are_reported_together(drain: Drain, memory: StreamInMemory) -> None:
    memory.add(*entries(40, start=0))
    drain.run(dry_s=5.0)
    assert len(memory.reported) <= 8
    assert sum(measured.get("batch_events//10", 0) for measured in memory.reported) == 20
    assert sum(measured.get("batch_events//sum", 0) for measured in memory.reported) == 40 * 1_000_000


def test_a_drain_that_cannot_record_reports_no_progress(drain: Drain, memory: StreamInMemory, sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        connection.exec_driver_sql("DROP TABLE play_history")
    memory.add(*entries(2, start=0))
    with pytest.raises(DatabaseMisusedError):
        drain.run()
    assert memory.reported == []


@pytest.mark.parametrize("trouble", [StreamUnavailableError, StreamMisusedError])
def test_a_failed_report_of_measurements_stops_no_drain(
    drain: Drain, memory: StreamInMemory, monkeypatch: pytest.MonkeyPatch, trouble: type[ZikError]
) -> None:
    def refuse(consumer: str, measured: dict[str, int]) -> None:
        raise trouble(f"no rights: {consumer} {measured}")

    monkeypatch.setattr(memory, "report", refuse)
    memory.add(*entries(5, start=0))
    assert drain.run().events == 5


def test_an_empty_drain_logs_nothing(drain: Drain, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        drain.run(dry_s=1.2)
    assert caplog.messages == []


def test_a_batch_announces_the_users_whose_data_it_has_changed(drain: Drain, memory: StreamInMemory) -> None:
    for user in ("bob", "ada"):
        memory.append(play_payloads(1, user=user))
    drain.run()
    assert memory.announced == [["ada", "bob"]]


def test_duplicates_and_dead_letters_are_not_announced(drain: Drain, memory: StreamInMemory) -> None:
    memory.append(play_payloads(1))
    drain.run()
    memory.append([*play_payloads(1), b"no event"])
    tally = drain.run()
    assert tally.outcomes == {Outcome.DUPLICATE: 1, Outcome.DEAD: 1}
    assert len(memory.announced) == 1


def test_an_announcement_that_fails_costs_no_event(
    drain: Drain, memory: StreamInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> NoReturn:
        raise StreamUnavailableError("this user may not publish on the channel")

    monkeypatch.setattr(memory, "announce_changed", refused)
    memory.append(play_payloads(3))
    assert drain.run().outcomes == {Outcome.RECORDED: 3}
