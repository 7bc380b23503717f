"""Move events from the stream to the database: read, decode, record, acknowledge."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Engine

from worker.books import Outcome
from worker.contract.clock_skew import utc_now
from worker.contract.events import Accepted
from worker.database.engine import transaction
from worker.drain.log import log_batch, log_events
from worker.drain.neighbours import Neighbours
from worker.drain.poison import PoisonGuard, WorkItem, exhaustion_as_outage
from worker.drain.recording import BatchRecorder, OpenTransaction, RecordBatch
from worker.drain.triage import Triaged, poisoned_letters, triage
from worker.errors import ZikError
from worker.failpoints import Point, armed_for, hit
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.stream.clock import StreamClock
from worker.stream.consumer import BLOCK_MS, EventStream
from worker.stream.measurements import Phase, Stopwatch, of_batch
from worker.tracing import batch_span

logger = logging.getLogger(__name__)

# Longer than any task may run: a consumer that has held an entry for so long is dead, or will find it recorded.
ABANDONED_MS: Final = 60_000
_CLAIM_EVERY_S: Final = 15.0
_REPORT_EVERY_S: Final = 1.0


@dataclass
class Tally:
    """What a drain has done: acknowledged events by outcome, and batches."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    batches: int = 0

    @property
    def events(self) -> int:
        return self.outcomes.total()


@dataclass
class Drain:
    """One consumer of the stream. Not thread-safe.

    An entry is acknowledged only after the transaction that holds its outcome has committed. After a crash it is still
    pending; its next reader records it, or finds it recorded.
    """

    stream: EventStream
    engine: Engine
    consumer: str
    batch_size: int = 5_000
    create_users: bool = True
    abandoned_ms: int = ABANDONED_MS
    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    closing: Callable[[], bool] = lambda: False
    known: Known = field(default_factory=Known)
    record: RecordBatch = record_batch
    transaction: OpenTransaction = transaction
    _measured: Counter[str] = field(default_factory=Counter, init=False)
    _reported_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self._guard = PoisonGuard(self.stream)
        self._clock = StreamClock(self.stream, now=self.now, monotonic=self.monotonic)
        self._neighbours = Neighbours(self.stream, self.consumer, monotonic=self.monotonic)
        self._recorder = BatchRecorder(
            self.engine,
            self.known,
            self._guard,
            now=self._clock.now,
            create_users=self.create_users,
            record=self.record,
            transaction=self.transaction,
        )

    def run(self, *, budget_s: float = float("inf"), dry_s: float = 0.0) -> Tally:
        """Drain until the stream has been dry for `dry_s`, `budget_s` is spent, or the worker is `closing`.

        Raises:
            RetryableError: Redis or the database is away, or this worker unfit. Nothing is lost, and nothing is buried.
            OperatorError: someone has to repair Redis or the database first. Nothing is lost, and nothing is buried.
        """
        tally = Tally()
        deadline = self.monotonic() + budget_s
        with exhaustion_as_outage():
            for item in self._work(dry_s):
                if item.is_suspect:
                    self._recorder.prove_well()
                with self._guard.attempt(item):
                    self._process(item, tally)
                if self.monotonic() >= deadline or self.closing():
                    break
            self._report(at_once=True)
        return tally

    # --- What to work on, in this order --------------------------------------------------------

    def _work(self, dry_s: float) -> Iterator[WorkItem]:
        """What this consumer left unfinished, then what dead consumers left, then new entries until none come."""
        self._clock.check()
        self.stream.ensure_group()
        yield from self._own_pending()
        last_entry_at = self.monotonic()
        claimed_at = float("-inf")
        while True:
            if self.monotonic() - claimed_at >= _CLAIM_EVERY_S:
                self._clock.check()
                yield from self._abandoned()
                claimed_at = self.monotonic()
            rest_s = last_entry_at + dry_s - self.monotonic()
            block_ms = min(BLOCK_MS, int(rest_s * 1000))
            batch = self.stream.read_new(self.consumer, count=self._count(), block_ms=max(0, block_ms))
            if batch.entries:
                yield WorkItem(batch)
                last_entry_at = self.monotonic()
                continue
            self._report()
            if rest_s <= 0 or self.closing():
                return

    def _own_pending(self) -> Iterator[WorkItem]:
        # Always from the beginning: what the last round acknowledged is no longer pending.
        while any(batch := self.stream.read_pending(self.consumer, count=self._count())):
            yield from self._guard.split(batch)

    def _abandoned(self) -> Iterator[WorkItem]:
        for dead in self._neighbours.look():
            while any(batch := self.stream.take_over(self.consumer, dead=dead, count=self._count())):
                yield from self._guard.split(batch)
            self.stream.retire(dead)
        while any(batch := self.stream.claim_abandoned(self.consumer, count=self._count(), idle_ms=self.abandoned_ms)):
            yield from self._guard.split(batch)

    def _count(self) -> int:
        return self.stream.light_enough(self.batch_size)

    # --- The steps of one batch ----------------------------------------------------------------

    def _process(self, item: WorkItem, tally: Tally) -> None:
        batch = item.batch
        with batch_span(len(batch.entries), (entry.traceparent for entry in batch.entries)) as note_outcomes:
            outcomes, seconds = self._settle(item, tally)
            note_outcomes(Counter(outcomes.values()))
        tally.batches += 1
        log_batch(self.consumer, batch, outcomes, seconds)
        self._measured.update(of_batch(len(batch.entries), seconds))
        self._report()

    def _settle(self, item: WorkItem, tally: Tally) -> tuple[dict[str, Outcome], dict[Phase, float]]:
        """Decode, record, acknowledge. After each step its time is noted, and a test may kill the process."""
        outcomes: dict[str, Outcome] = {}
        steps = _Steps(self.monotonic)
        hit(Point.AFTER_READ)
        triaged = self._decode(item)
        steps.done(Phase.DECODE, Point.AFTER_DECODE)
        # Usually one transaction. One that the database refuses comes in parts, each acknowledged before the next.
        for settled in self._recorder.settle(triaged.accepted, triaged.letters):
            steps.done(Phase.RECORD)
            self._acknowledge(settled)
            steps.done(Phase.ACKNOWLEDGE)
            outcomes |= settled
            tally.outcomes += Counter(settled.values())
        self.stream.forget_vanished(item.batch.vanished)
        steps.done(Phase.ACKNOWLEDGE, Point.AFTER_ACKNOWLEDGE)
        self._announce(triaged.accepted, outcomes)
        log_events(triaged.accepted, triaged.letters, outcomes)
        return outcomes, steps.seconds

    def _decode(self, item: WorkItem) -> Triaged:
        if item.kills_reader:
            return poisoned_letters(item.batch)
        now = self._clock.now()
        with self._guard.blaming():
            return triage(item.batch.entries, now)

    def _acknowledge(self, outcomes: dict[str, Outcome]) -> None:
        by_outcome: dict[Outcome, list[str]] = {}
        for entry_id, outcome in outcomes.items():
            by_outcome.setdefault(outcome, []).append(entry_id)
        if armed_for(Point.MID_ACKNOWLEDGE):
            self.stream.acknowledge({outcome: ids[::2] for outcome, ids in by_outcome.items()})
            hit(Point.MID_ACKNOWLEDGE)
        self.stream.acknowledge(by_outcome)

    def _announce(self, accepted: list[Accepted], outcomes: Mapping[str, Outcome]) -> None:
        """Let open pages know whose data has changed."""
        recorded = Outcome.RECORDED
        changed = {event.user for entry_id, _, event in accepted if outcomes[entry_id] is recorded}
        if not changed:
            return
        try:
            self.stream.announce_changed(changed)
        except ZikError as error:
            # The batch is recorded and acknowledged, and pages look again by themselves.
            logger.debug("could not announce a change: %s", error)

    def _report(self, *, at_once: bool = False) -> None:
        """Send a sign of life and the latest measurements: once a second, because batches may be small and many."""
        now = self.monotonic()
        if not at_once and now - self._reported_at < _REPORT_EVERY_S:
            return
        measured, self._measured, self._reported_at = self._measured, Counter(), now
        try:
            self.stream.report(self.consumer, measured)
        except ZikError as error:
            # The batches are recorded and acknowledged; their measurements are not worth a retry.
            logger.debug("could not report metrics: %s", error)


class _Steps(Stopwatch):
    """The measuring and the failpoints around the steps of one batch."""

    def done(self, phase: Phase, point: Point | None = None) -> None:
        self.lap(phase)
        if point is not None:
            hit(point)
