"""The dead-letter desk: list, retry or delete events that could not be recorded."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Select, delete, func, select

from worker.books import Outcome
from worker.contract.codec import decode
from worker.contract.events import Accepted
from worker.database.engine import snapshot, transaction
from worker.errors import InvalidEventError, Reason, RowRefusedError
from worker.models import DeadLetter
from worker.recorders.batch import record_batch
from worker.recorders.dead_letters import short_detail
from worker.recorders.known import Known
from worker.stream.consumer import EventStream

# The event itself was not kept, so there is nothing to retry.
NOT_KEPT = frozenset({Reason.MISSING_EVENT, Reason.TOO_LARGE})
_AT_ONCE: Final = 1_000


def count_by_reason(engine: Engine) -> dict[str, int]:
    """How many letters there are, by reason."""
    with snapshot(engine) as session:
        rows = session.execute(select(DeadLetter.reason, func.count()).group_by(DeadLetter.reason))
        return dict(sorted(rows.all()))


def find(engine: Engine, *, reason: str | None = None, limit: int | None = None) -> Sequence[DeadLetter]:
    """Letters in order of arrival."""
    with snapshot(engine) as session:
        return session.scalars(_selected(reason).limit(limit)).all()


def numbers(engine: Engine, *, reason: str | None = None) -> Sequence[int]:
    """The numbers of letters in order of arrival, without their payloads."""
    with snapshot(engine) as session:
        return session.scalars(_selected(reason).with_only_columns(DeadLetter.id)).all()


def get(engine: Engine, letter_id: int) -> DeadLetter | None:
    with snapshot(engine) as session:
        return session.get(DeadLetter, letter_id)


def with_payload(connection: Connection, wanted: Callable[[bytes], bool]) -> Iterator[Row[Any]]:
    """The letters with a wanted payload, in order of arrival. Reads every letter on the desk."""
    letters = select(DeadLetter.__table__).order_by(DeadLetter.id).execution_options(yield_per=_AT_ONCE)
    return (letter for letter in connection.execute(letters) if wanted(letter.payload))


def discard(engine: Engine, letter_ids: Iterable[int]) -> int:
    """Delete letters for good. The books keep counting them as dead. Returns how many were deleted."""
    with transaction(engine) as session:
        return delete_letters(session.connection(), list(letter_ids))


def delete_letters(connection: Connection, letter_ids: Sequence[int]) -> int:
    """Delete letters in the caller's transaction. Returns how many were deleted.

    In portions: a statement takes at most 65,535 parameters on PostgreSQL, and 32,766 in most builds of SQLite.
    """
    deleted = 0
    for start in range(0, len(letter_ids), _AT_ONCE):
        chosen = DeadLetter.id.in_(letter_ids[start : start + _AT_ONCE])
        deleted += len(connection.scalars(delete(DeadLetter).where(chosen).returning(DeadLetter.id)).all())
    return deleted


def discard_older(engine: Engine, before: datetime) -> int:
    """Delete the letters that were last tried before then. Returns how many were deleted."""
    with transaction(engine) as session:
        deleted = session.scalars(delete(DeadLetter).where(DeadLetter.updated_at < before).returning(DeadLetter.id))
        return len(deleted.all())


@dataclass(frozen=True)
class Desk:
    """Retries letters through the same validation and the same recorders as the drain."""

    engine: Engine
    stream: EventStream
    create_users: bool = True

    def retry(self, letter_ids: Iterable[int], *, now: datetime) -> Counter[Outcome]:
        """Try to record each letter once. A letter that fails again stays on the desk, with one attempt more.

        Each letter has its own transaction, after which the books are amended. If the process is killed between the
        two, or Redis is away, that one letter stays dead in the books: the tables are right and the books balance, but
        count one recorded event too few.

        Returns:
            How many letters had each outcome, without the ids that no letter has.
        """
        outcomes: Counter[Outcome] = Counter()
        for letter_id in letter_ids:
            if outcome := self._retry_one(letter_id, now):
                if outcome is not Outcome.DEAD:
                    self.stream.amend(1, source=Outcome.DEAD, target=outcome)
                outcomes[outcome] += 1
        return outcomes

    def _retry_one(self, letter_id: int, now: datetime) -> Outcome | None:
        try:
            return self._record(letter_id, now)
        except InvalidEventError as error:
            return self._keep(letter_id, error)
        except RowRefusedError as refusal:
            return self._keep(letter_id, InvalidEventError(Reason.REFUSED_BY_DATABASE, str(refusal)))

    def _record(self, letter_id: int, now: datetime) -> Outcome | None:
        """Record the event and take its letter off the desk, in one transaction."""
        with transaction(self.engine) as session:
            letter = session.get(DeadLetter, letter_id, with_for_update=True)
            if letter is None:
                return None
            if letter.reason in NOT_KEPT:
                raise InvalidEventError(Reason(letter.reason), letter.detail)
            # By its original entry id: `sent_at` belongs to that sending, not to this retry.
            event = decode(letter.payload, now=now, entry_id=letter.entry_id)
            accepted = Accepted(letter.entry_id, letter.payload, event)
            recorded = record_batch(session.connection(), [accepted], known=Known(), create_users=self.create_users)
            if recorded.dead:
                raise recorded.dead[0].error
            session.delete(letter)
        return recorded.outcomes[letter.entry_id]

    def _keep(self, letter_id: int, error: InvalidEventError) -> Outcome | None:
        with transaction(self.engine) as session:
            letter = session.get(DeadLetter, letter_id, with_for_update=True)
            if letter is None:
                return None
            letter.attempts += 1
            letter.reason = error.reason.value
            letter.detail = short_detail(error)
        return Outcome.DEAD


def _selected(reason: str | None) -> Select[DeadLetter]:
    letters = select(DeadLetter).order_by(DeadLetter.id)
    return letters.where(DeadLetter.reason == reason) if reason else letters
