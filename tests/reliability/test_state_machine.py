"""Any sequence of publishing, draining, crashing, robbing, restarting and vandalism, against a model of a page."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.support import oracle
from tests.support.events import payload
from tests.support.servers import Valkey, own_valkey
from tests.support.strategies import events
from worker.database.engine import transaction
from worker.drain.drain import Drain, Tally
from worker.drain.poison import WorkItem
from worker.errors import DatabaseUnavailableError
from worker.models import Base
from worker.stream.consumer import EventStream
from worker.stream.entries import Batch
from worker.stream.keys import GROUP, STREAM

CONSUMERS: Final = ("ada", "bob", "eve")
_BAD: Final = (b"", b"{", b"[]", b"\xff", b'{"v": 9}', b'{"type": "seek"}')
published = st.lists(events.map(payload) | st.sampled_from(_BAD), min_size=2, max_size=8)
consumers = st.sampled_from(CONSUMERS)


class Crash(RuleBasedStateMachine):
    """The model: which entries must be in the tables, which wait, and which nobody can account for."""

    server: ClassVar[Valkey]
    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self.valkey: Any = self.server.client()
        self.stream = EventStream.at(self.server.url)
        self.waiting: dict[str, bytes] = {}
        # Committed ones, whether they still wait for their acknowledgement or not.
        self.stored: list[bytes] = []
        self.committed: set[str] = set()
        self.received = 0
        self.deleted: dict[str, bytes] = {}
        self.asleep: dict[str, Batch] = {}

    @initialize(payloads=published)
    def begin(self, payloads: list[bytes]) -> None:
        """With something that waits: most faults harm nobody in an empty stream."""
        self.valkey.flushall()
        tables = list(Base.metadata.tables)
        with transaction(self.engine) as session:
            if self.engine.dialect.name == "postgresql":
                session.execute(text(f"TRUNCATE {', '.join(tables)} CASCADE"))
            else:
                for table in tables:
                    session.execute(text(f"DELETE FROM {table}"))
        self.stream.ensure_group()
        self.publish(payloads)

    def drain(self, consumer: str, *, batch_size: int = 3, **options: Any) -> Drain:
        # Every consumer that holds an entry is dead in the end.
        return Drain(self.stream, self.engine, consumer, batch_size=batch_size, abandoned_ms=0, **options)

    # --- what the model learns -------------------------------------------------------------------

    def is_committed(self, entry_ids: Iterable[str]) -> None:
        for entry_id in entry_ids:
            if entry_id not in self.committed:
                self.committed.add(entry_id)
                self.stored.append(self.waiting.get(entry_id) or self.deleted.get(entry_id, b""))

    def is_acknowledged(self) -> None:
        """Whatever has left the stream and was not deleted must have been recorded."""
        there = {entry_id.decode() for entry_id, _ in self.valkey.xrange(STREAM)}
        gone = [entry_id for entry_id in self.waiting if entry_id not in there]
        self.is_committed(gone)
        for entry_id in gone:
            del self.waiting[entry_id]

    # --- what happens ----------------------------------------------------------------------------

    @rule(payloads=published)
    def publish(self, payloads: list[bytes]) -> None:
        self.waiting |= dict(zip(self.stream.append(payloads), payloads, strict=True))
        self.received += len(payloads)

    @rule(payloads=published)
    def publish_more(self, payloads: list[bytes]) -> None:
        """Twice as likely as anything else."""
        self.publish(payloads)

    @rule(consumer=consumers, batch_size=st.integers(1, 5))
    def drain_one_batch(self, consumer: str, batch_size: int) -> None:
        self.drain(consumer, batch_size=batch_size).run(budget_s=0)
        self.is_acknowledged()

    @rule(consumer=consumers)
    def die_after_reading(self, consumer: str) -> None:
        self.stream.read_new(consumer, count=3, block_ms=0)

    @rule(consumer=consumers)
    def die_between_commit_and_acknowledgement(self, consumer: str) -> None:
        drain = self.drain(consumer)
        drain.stream = _NotAcknowledging.over(self.stream)
        try:
            drain.run(budget_s=0)
        except _DiedError as death:
            self.is_committed(death.entry_ids)

    @rule(consumer=consumers)
    def die_before_commit(self, consumer: str) -> None:
        with suppress(DatabaseUnavailableError):
            self.drain(consumer, transaction=_failing_to_commit).run(budget_s=0)

    @rule(robber=consumers)
    def rob(self, robber: str) -> None:
        self.stream.claim_abandoned(robber, count=3, idle_ms=0)

    @rule(consumer=consumers)
    def fall_asleep_with_a_batch(self, consumer: str) -> None:
        batch = self.stream.read_new(consumer, count=3, block_ms=0)
        if batch.entries and consumer not in self.asleep:
            self.asleep[consumer] = batch

    @precondition(lambda self: self.asleep)
    @rule(data=st.data())
    def wake_up(self, data: st.DataObject) -> None:
        """It commits and acknowledges what by now others may have recorded, deleted, or lost."""
        consumer = data.draw(st.sampled_from(sorted(self.asleep)))
        batch = self.asleep.pop(consumer)
        pending = {row["message_id"].decode() for row in self.valkey.xpending_range(STREAM, GROUP, "-", "+", 10_000)}
        self.drain(consumer)._process(WorkItem(batch), Tally())
        ids = [entry.id for entry in batch.entries]
        self.is_committed(ids)
        for entry_id in pending.intersection(ids):
            # Deleted, but still in somebody's hands: it was counted now.
            self.deleted.pop(entry_id, None)
        self.is_acknowledged()

    @rule()
    def destroy_the_group(self) -> None:
        self.valkey.xgroup_destroy(STREAM, GROUP)
        self.stream.ensure_group()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def delete_a_waiting_entry(self, data: st.DataObject) -> None:
        entry_id = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.valkey.xdel(STREAM, entry_id) == 1
        self.deleted[entry_id] = self.waiting.pop(entry_id)

    @precondition(lambda self: self.waiting)
    @rule(keep=st.integers(0, 4))
    def trim(self, keep: int) -> None:
        self.valkey.xtrim(STREAM, maxlen=keep, approximate=False)
        there = {entry_id.decode() for entry_id, _ in self.valkey.xrange(STREAM)}
        for entry_id in [entry_id for entry_id in self.waiting if entry_id not in there]:
            self.deleted[entry_id] = self.waiting.pop(entry_id)

    @rule()
    def restart_redis_after_sigkill(self) -> None:
        self.server.kill()
        self.server.start()
        # A connection is found broken by its next command; the drain's caller tries again (patience.py).
        self.stream.close()
        self.stream = EventStream.at(self.server.url)
        self.valkey.connection_pool.disconnect()

    @rule()
    def restart_redis_empty(self) -> None:
        """Whatever was waiting is lost, and the books begin anew; the tables keep what they have."""
        self.valkey.flushall()
        time.sleep(0.002)  # Or the first new entry might get the id of the last old one.
        self.waiting.clear()
        self.deleted.clear()
        self.asleep.clear()
        self.received = 0
        self.stream.ensure_group()

    # --- what always holds -----------------------------------------------------------------------

    @invariant()
    def books_have_a_place_for_each_event(self) -> None:
        books = self.stream.books()
        assert (books.received, books.waiting) == (self.received, len(self.waiting))
        assert books.unaccounted == len(self.deleted)

    def teardown(self) -> None:
        while self.asleep:
            self.wake_up(_First())
        self.drain("last").run()
        self.is_acknowledged()
        wanted, found = oracle.expected(self.stored), oracle.actual(self.engine)
        assert found == wanted
        books = self.stream.books()
        assert (books.waiting, books.pending) == (0, 0)
        assert books.unaccounted == len(self.deleted)
        self.stream.close()
        self.valkey.close()


class _First:
    """In teardown nobody draws: the first one is taken."""

    def draw(self, strategy: Any) -> str:
        return str(strategy.elements[0])


class _DiedError(Exception):
    def __init__(self, entry_ids: list[str]) -> None:
        super().__init__()
        self.entry_ids = entry_ids


@contextmanager
def _failing_to_commit(engine: Engine) -> Iterator[Session]:
    with transaction(engine) as session:
        yield session
        raise DatabaseUnavailableError("the connection broke before COMMIT")


class _NotAcknowledging(EventStream):
    @classmethod
    def over(cls, stream: EventStream) -> "_NotAcknowledging":
        return cls(stream._redis)

    def acknowledge(self, outcomes: Any) -> int:
        raise _DiedError([entry_id for ids in outcomes.values() for entry_id in ids])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with own_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def run(server: Valkey, engine: Engine, *, examples: int, steps: int) -> None:
    machine = type("Crash", (Crash,), {"server": server, "engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )


def test_any_sequence_of_faults_ends_as_the_model_predicts(server: Valkey, sqlite: Engine) -> None:
    run(server, sqlite, examples=max(20, settings().max_examples // 2), steps=30)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_long_sequences_of_faults_end_as_the_model_predicts(server: Valkey, engine: Engine) -> None:
    run(server, engine, examples=max(60, settings().max_examples), steps=60)
