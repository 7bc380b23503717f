"""Record one batch in one transaction; where the database refuses a row, bisect until that row stands alone."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from worker.books import Outcome
from worker.contract.events import Accepted
from worker.database.engine import transaction as open_transaction
from worker.drain.triage import refused
from worker.errors import RowRefusedError
from worker.failpoints import Point, hit
from worker.recorders.batch import Recorded, record_batch, resolve_new
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.known import Known

OpenTransaction = Callable[[Engine], AbstractContextManager[Session]]


class RecordBatch(Protocol):
    """The signature of `worker.recorders.batch.record_batch`."""

    def __call__(
        self,
        connection: Connection,
        accepted: list[Accepted],
        letters: list[Letter],
        /,
        *,
        known: Known,
        create_users: bool,
    ) -> Recorded: ...


class BatchRecorder:
    """Writes batches and remembers their users and songs, once the transaction has committed."""

    def __init__(
        self,
        engine: Engine,
        known: Known,
        *,
        create_users: bool = True,
        record: RecordBatch = record_batch,
        transaction: OpenTransaction = open_transaction,
    ) -> None:
        self._engine = engine
        self._known = known
        self._create_users = create_users
        self._record = record
        self._transaction = transaction

    def settle(
        self, accepted: list[Accepted], letters: list[Letter], *, cache_is_fresh: bool = False
    ) -> Iterator[dict[str, Outcome]]:
        """Yield the outcomes that each transaction has committed, by entry id.

        They are to be acknowledged at once: a database that refuses every row takes long over a batch, and a task whose
        time is up must not start over.
        """
        if not accepted and not letters:
            return
        try:
            settled = self._commit(accepted, letters)
        except RowRefusedError as refusal:
            if not cache_is_fresh:
                # Perhaps a cached user or song has been deleted: drop the cache, and look everything up again.
                self._known.forget()
                yield from self.settle(accepted, letters, cache_is_fresh=True)
                return
            if len(accepted) > 1:
                middle = len(accepted) // 2
                # While users are being erased, the cache can go stale again. So a row that stands alone is looked up
                # once more before it is buried.
                yield from self.settle(accepted[:middle], letters, cache_is_fresh=middle > 1)
                yield from self.settle(accepted[middle:], [], cache_is_fresh=len(accepted) - middle > 1)
                return
            settled = self._bury(letters + [refused(entry, refusal) for entry in accepted])
        yield settled

    def _commit(self, accepted: list[Accepted], letters: list[Letter]) -> dict[str, Outcome]:
        self._commit_new_names(accepted)
        with self._transaction(self._engine) as session:
            recorded = self._record(
                session.connection(), accepted, letters, known=self._known, create_users=self._create_users
            )
            hit(Point.BEFORE_COMMIT)
        hit(Point.AFTER_COMMIT)
        if Outcome.DEAD in recorded.outcomes.values():
            hit(Point.AFTER_DEAD_LETTER)
        self._known.remember(recorded)
        return recorded.outcomes

    def _commit_new_names(self, accepted: list[Accepted]) -> None:
        """Commit new users and songs first: another drain that needs one would otherwise wait for all the plays."""
        new = self._known.unknown(accepted) if self._engine.dialect.name == "postgresql" else []
        if new:
            with self._transaction(self._engine) as session:
                resolved = resolve_new(session.connection(), new, known=self._known, create_users=self._create_users)
            self._known.remember(resolved)

    def _bury(self, letters: list[Letter]) -> dict[str, Outcome]:
        with self._transaction(self._engine) as session:
            bury(session.connection(), letters)
        return {letter.entry_id: Outcome.DEAD for letter in letters}
