"""Move events from the stream to the database: read, decode, record, commit, acknowledge."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine

from worker.books import Outcome
from worker.contract.events import Accepted
from worker.database.engine import transaction
from worker.drain.log import tell_batch, tell_events
from worker.drain.poison import PoisonGuard, WorkItem
from worker.drain.triage import poisoned_letters, refused, triage
from worker.errors import RowRefusedError, ZikError
from worker.failpoints import Point, armed_for, hit
from worker.recorders.batch import record_batch, resolve_new
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.known import Known
from worker.stream.consumer import BLOCK_MS, EventStream
from worker.stream.measurements import Phase, Stopwatch, of_batch

logger = logging.getLogger(__name__)

# Longer than any task may run: whoever held an entry for so long is dead, or will find it recorded.
ABANDONED_MS: Final = 60_000
_LOOK_FOR_ABANDONED_S: Final = 15.0
_SIGN_OF_LIFE_S: Final = 1.0


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Tally:
    """What a drain has done: events by outcome (as acknowledged), and batches."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    batches: int = 0

    @property
    def events(self) -> int:
        return self.outcomes.total()


@dataclass
class Drain:
    """One consumer of the stream. Not for several threads at once.

    An entry is acknowledged only after the transaction that holds its outcome has committed. A crash anywhere leaves
    it pending; its next reader then finds it recorded, or records it.
    """

    stream: EventStream
    engine: Engine
    consumer: str
    batch_size: int = 2_000
    create_users: bool = True
    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    closing: Callable[[], bool] = lambda: False
    known: Known = field(default_factory=Known)
    _measured: Counter[str] = field(default_factory=Counter, init=False)
    _reported_at: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        self.attempts = PoisonGuard(self.stream)

    def run(self, *, budget_s: float = float("inf"), dry_s: float = 0.0) -> Tally:
        """Drain until the stream has been dry for `dry_s`, `budget_s` is spent, or the worker is `closing`.

        Raises:
            StreamUnavailableError, DatabaseUnavailableError: try again later; nothing is lost and nothing buried.
            StreamMisusedError, DatabaseMisusedError: an operator is needed; nothing is lost and nothing buried.
        """
        tally = Tally()
        deadline = self.monotonic() + budget_s
        for turn in self._turns(dry_s):
            with self.attempts.attempt(turn):
                self._finish(turn, tally)
            if self.monotonic() >= deadline or self.closing():
                break
        self._report(at_once=True)
        return tally

    def _turns(self, dry_s: float) -> Iterator[WorkItem]:
        """What this consumer left unfinished, then what others did, then what is new, until that has run dry."""
        self.stream.ensure_group()
        yield from self._own_pending()
        wet_at = self.monotonic()
        claimed_at = float("-inf")
        while True:
            if self.monotonic() - claimed_at >= _LOOK_FOR_ABANDONED_S:
                yield from self._abandoned()
                claimed_at = self.monotonic()
            rest_s = wet_at + dry_s - self.monotonic()
            block_ms = min(BLOCK_MS, int(rest_s * 1000))
            batch = self.stream.read_new(self.consumer, count=self._count(), block_ms=max(0, block_ms))
            if batch.entries:
                yield WorkItem(batch)
                wet_at = self.monotonic()
                continue
            self._report()
            if rest_s <= 0 or self.closing():
                return

    def _own_pending(self) -> Iterator[WorkItem]:
        # Always from the beginning: what the last round acknowledged is no longer there.
        while any(batch := self.stream.read_pending(self.consumer, count=self._count())):
            yield from self.attempts.turns(batch)

    def _abandoned(self) -> Iterator[WorkItem]:
        while any(batch := self.stream.claim_abandoned(self.consumer, count=self._count(), idle_ms=ABANDONED_MS)):
            yield from self.attempts.turns(batch)

    def _count(self) -> int:
        return self.stream.light_enough(self.batch_size)

    def _finish(self, turn: WorkItem, tally: Tally) -> None:
        hit(Point.AFTER_READ)
        watch = Stopwatch(self.monotonic)
        batch = turn.batch
        accepted, letters = poisoned_letters(batch) if turn.kills_reader else triage(batch.entries, self.now())
        watch.lap(Phase.DECODE)
        hit(Point.AFTER_DECODE)
        outcomes: dict[str, Outcome] = {}
        for part in self._recorded(accepted, letters):
            watch.lap(Phase.RECORD)
            self._acknowledge(part)
            watch.lap(Phase.ACKNOWLEDGE)
            outcomes |= part
            tally.outcomes += Counter(part.values())
        hit(Point.AFTER_ACKNOWLEDGE)
        self.stream.forget_vanished(batch.vanished)
        watch.lap(Phase.ACKNOWLEDGE)
        tally.batches += 1
        tell_batch(self.consumer, batch, outcomes, watch.seconds)
        tell_events(accepted, letters, outcomes)
        self._measured.update(of_batch(len(batch.entries), watch.seconds))
        self._report()

    def _report(self, *, at_once: bool = False) -> None:
        """A sign of life, and what was measured since the last: once a second, as batches may be small and many."""
        now = self.monotonic()
        if not at_once and now - self._reported_at < _SIGN_OF_LIFE_S:
            return
        measured, self._measured, self._reported_at = self._measured, Counter(), now
        try:
            self.stream.report(self.consumer, measured)
        except ZikError as error:
            # The batches are recorded and acknowledged; what was measured of them is not worth a retry.
            logger.debug("measured in vain: %s", error)

    def _recorded(
        self, accepted: list[Accepted], letters: list[Letter], *, asked: bool = False
    ) -> Iterator[dict[str, Outcome]]:
        """Record in one transaction; where the database refuses a row, halve until the row stands alone.

        What each transaction has settled is told at once, to be acknowledged. A database that refuses every row takes
        long over a batch, and a task whose time is up must not have to begin anew.
        """
        if not accepted and not letters:
            return
        try:
            settled = self._commit(accepted, letters)
        except RowRefusedError as refusal:
            if not asked:
                # Perhaps a user or a song that we remember has been deleted: forget, and ask the database.
                self.known.forget()
                yield from self._recorded(accepted, letters, asked=True)
                return
            if len(accepted) > 1:
                middle = len(accepted) // 2
                # Where people are forgotten one after the other, a memory is out of date twice. So what stands alone is
                # asked for anew, before it is buried.
                yield from self._recorded(accepted[:middle], letters, asked=middle > 1)
                yield from self._recorded(accepted[middle:], [], asked=len(accepted) - middle > 1)
                return
            settled = self._bury(letters + [refused(entry, refusal) for entry in accepted])
        yield settled

    def _commit(self, accepted: list[Accepted], letters: list[Letter]) -> dict[str, Outcome]:
        self._introduce(accepted)
        with transaction(self.engine) as session:
            recorded = record_batch(
                session.connection(), accepted, letters, known=self.known, create_users=self.create_users
            )
            hit(Point.BEFORE_COMMIT)
        hit(Point.AFTER_COMMIT)
        if Outcome.DEAD in recorded.outcomes.values():
            hit(Point.AFTER_DEAD_LETTER)
        self.known.remember(recorded)
        return recorded.outcomes

    def _introduce(self, accepted: list[Accepted]) -> None:
        """New users and songs in a transaction of their own: others need them, and would wait for the plays, too."""
        unknown = self.known.unknown(accepted) if self.engine.dialect.name == "postgresql" else []
        if unknown:
            with transaction(self.engine) as session:
                met = resolve_new(session.connection(), unknown, known=self.known, create_users=self.create_users)
            self.known.remember(met)

    def _bury(self, letters: list[Letter]) -> dict[str, Outcome]:
        with transaction(self.engine) as session:
            bury(session.connection(), letters)
        return {letter.entry_id: Outcome.DEAD for letter in letters}

    def _acknowledge(self, outcomes: dict[str, Outcome]) -> None:
        by_outcome: dict[Outcome, list[str]] = {}
        for entry_id, outcome in outcomes.items():
            by_outcome.setdefault(outcome, []).append(entry_id)
        if armed_for(Point.MID_ACKNOWLEDGE):
            self.stream.acknowledge({outcome: ids[::2] for outcome, ids in by_outcome.items()})
            hit(Point.MID_ACKNOWLEDGE)
        self.stream.acknowledge(by_outcome)
