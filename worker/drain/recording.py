"""Record one batch in one transaction; where the database refuses a row, bisect until that row stands alone."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from worker.books import Outcome
from worker.contract.events import Accepted
from worker.database.engine import transaction as open_transaction
from worker.drain.poison import BUGS, PoisonGuard
from worker.drain.triage import harmless_events, refused
from worker.errors import DatabaseUnavailableError, RejectedError, RowRefusedError, WorkerUnfitError
from worker.failpoints import Point, hit
from worker.recorders.batch import Assigned, Recorded, assign, record_batch, resolve_new
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.known import Known

OpenTransaction = Callable[[Engine], AbstractContextManager[Session]]
# What a driver or a library raises beside the errors that `transaction` translates.
_OF_THE_DATABASE: Final = (*BUGS, OSError, SQLAlchemyError)


class RecordBatch(Protocol):
    """The signature of `worker.recorders.batch.record_batch`."""

    def __call__(  # noqa: PLR0913 -- what a batch is recorded from, and the last one may be left out
        self,
        connection: Connection,
        accepted: list[Accepted],
        letters: list[Letter],
        /,
        *,
        known: Known,
        create_users: bool,
        assigned: Assigned | None = None,
    ) -> Recorded: ...


@dataclass
class BatchRecorder:
    """Writes batches and remembers their users and songs, once the transaction has committed."""

    engine: Engine
    known: Known
    guard: PoisonGuard
    now: Callable[[], datetime]
    create_users: bool = True
    record: RecordBatch = record_batch
    transaction: OpenTransaction = open_transaction
    _is_proven_well: bool = field(default=False, init=False)

    def settle(self, accepted: list[Accepted], letters: list[Letter]) -> Iterator[dict[str, Outcome]]:
        """Yield the outcomes that each transaction has committed, by entry id.

        They are to be acknowledged at once: a database that refuses every row takes long over a batch, and a task whose
        time is up must not start over.
        """
        self._is_proven_well = False
        return self._settle(accepted, letters)

    def prove_well(self) -> None:
        """Record harmless events, and roll that back.

        Raises:
            WorkerUnfitError: not even they can be recorded, so nothing speaks against the entries that could not.
        """
        try:
            with self._connected(roll_back=True) as connection:
                harmless = harmless_events(self.now())
                self.record(connection, harmless, [], known=Known(), create_users=self.create_users)
        except (*BUGS, RejectedError) as error:
            what = str(error) if isinstance(error, RowRefusedError) else type(error).__name__
            raise WorkerUnfitError(
                f"even a harmless event cannot be recorded ({what}): nothing is buried until it can"
            ) from error
        self._is_proven_well = True

    def _settle(
        self, accepted: list[Accepted], letters: list[Letter], *, cache_is_fresh: bool = False
    ) -> Iterator[dict[str, Outcome]]:
        if not accepted and not letters:
            return
        try:
            settled = self._commit(accepted, letters)
        except RowRefusedError as refusal:
            if not cache_is_fresh:
                # Perhaps a cached user or song has been deleted: drop the cache, and look everything up again.
                self.known.forget()
                yield from self._settle(accepted, letters, cache_is_fresh=True)
                return
            if len(accepted) > 1:
                middle = len(accepted) // 2
                # While users are being erased, the cache can go stale again. So a row that stands alone is looked up
                # once more before it is buried.
                yield from self._settle(accepted[:middle], letters, cache_is_fresh=middle > 1)
                yield from self._settle(accepted[middle:], [], cache_is_fresh=len(accepted) - middle > 1)
                return
            if not self._is_proven_well:
                self.prove_well()
            settled = self._bury(letters + [refused(entry, refusal) for entry in accepted])
        yield settled

    def _commit(self, accepted: list[Accepted], letters: list[Letter]) -> dict[str, Outcome]:
        assigned = self._assigned(accepted)
        with self._connected() as connection:
            recorded = self.record(
                connection, accepted, letters, known=self.known, create_users=self.create_users, assigned=assigned
            )
            hit(Point.BEFORE_COMMIT)
        hit(Point.AFTER_COMMIT)
        if Outcome.DEAD in recorded.outcomes.values():
            hit(Point.AFTER_DEAD_LETTER)
        self.known.remember(recorded)
        return recorded.outcomes

    def _assigned(self, accepted: list[Accepted]) -> Assigned:
        """Look up the batch in the cache, and commit new users and songs before the batch.

        Otherwise another drain that needs one of them would wait for all the plays.
        """
        with self.guard.blaming():
            assigned = assign(accepted, self.known)
        if not assigned.unknown or self.engine.dialect.name != "postgresql":
            return assigned
        with self._connected() as connection:
            resolved = resolve_new(connection, assigned.unknown, known=self.known, create_users=self.create_users)
        self.known.remember(resolved)
        with self.guard.blaming():
            return assigned.completed(assign(assigned.unknown, self.known, resolved))

    def _bury(self, letters: list[Letter]) -> dict[str, Outcome]:
        with self._connected() as connection:
            bury(connection, letters)
        return {letter.entry_id: Outcome.DEAD for letter in letters}

    @contextmanager
    def _connected(self, *, roll_back: bool = False) -> Iterator[Connection]:
        """Open a transaction. What goes wrong before or after the block is the database's fault, not the entries'."""
        culprit = None
        try:
            with self.transaction(self.engine) as session:
                connection = session.connection()
                try:
                    with self.guard.blaming():
                        yield connection
                except Exception as error:
                    culprit = error
                    raise
                if roll_back:
                    session.rollback()
        except _OF_THE_DATABASE as error:
            if error is culprit:
                raise
            raise DatabaseUnavailableError(
                f"the database cannot be used ({type(error).__name__} while connecting or committing)"
            ) from None
