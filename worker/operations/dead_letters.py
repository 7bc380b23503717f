"""The dead-letter desk: list, retry or delete events that could not be recorded."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, delete, func, select

from worker.books import Outcome
from worker.contract.codec import decode
from worker.contract.events import Accepted
from worker.database.engine import snapshot, transaction
from worker.errors import InvalidEventError, Reason, RowRefusedError
from worker.models import DeadLetter
from worker.recorders.batch import record_batch
from worker.recorders.dead_letters import short_detail
from worker.recorders.known import Known

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


def latest(engine: Engine, *, reason: str | None = None, before: int | None = None, most: int) -> Sequence[DeadLetter]:
    """The newest letters first: those of a reason, and with a smaller number than `before`."""
    letters = _selected(reason).order_by(None).order_by(DeadLetter.id.desc()).limit(most)
    with snapshot(engine) as session:
        return session.scalars(letters if before is None else letters.where(DeadLetter.id < before)).all()


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


def discard(engine: Engine, letter_ids: Sequence[int], *, deleted: Callable[[int], object] = lambda _: None) -> int:
    """Delete letters for good. The books keep counting them as dead. Returns how many were deleted.

    In transactions of a thousand, because a drain waits for each; an interruption leaves the rest. `deleted` is called
    after each with its number of letters.
    """
    return _discard(engine, letter_ids, (), deleted)


def delete_letters(connection: Connection, letter_ids: Sequence[int]) -> int:
    """Delete letters in the caller's transaction. Returns how many were deleted."""
    return sum(_delete(connection, portion) for portion in _portions(letter_ids))


def discard_older(engine: Engine, before: datetime) -> int:
    """Delete the letters that were last tried before then, as `discard` does. Returns how many were deleted."""
    is_old = DeadLetter.updated_at < before
    with snapshot(engine) as session:
        letter_ids = session.scalars(select(DeadLetter.id).where(is_old).order_by(DeadLetter.id)).all()
    # Not a letter that is tried again meanwhile.
    return _discard(engine, letter_ids, (is_old,), lambda _: None)


def _discard(
    engine: Engine,
    letter_ids: Sequence[int],
    conditions: Sequence[ColumnElement[bool]],
    deleted: Callable[[int], object],
) -> int:
    total = 0
    for portion in _portions(letter_ids):
        with transaction(engine) as session:
            count = _delete(session.connection(), portion, *conditions)
        deleted(count)
        total += count
    return total


def _portions(letter_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """A statement takes at most 65,535 parameters on PostgreSQL, and 32,766 in most builds of SQLite."""
    return (letter_ids[start : start + _AT_ONCE] for start in range(0, len(letter_ids), _AT_ONCE))


def _delete(connection: Connection, letter_ids: Sequence[int], *conditions: ColumnElement[bool]) -> int:
    statement = delete(DeadLetter).where(DeadLetter.id.in_(letter_ids), *conditions).returning(DeadLetter.id)
    return len(connection.scalars(statement).all())


class AmendedBooks(Protocol):
    """`StreamInspector.amend`."""

    def amend(self, count: int, *, source: Outcome, target: Outcome) -> None: ...


@dataclass(frozen=True)
class Desk:
    """Retries letters through the same validation and the same recorders as the drain."""

    engine: Engine
    stream: AmendedBooks
    create_users: bool = True

    def retry(
        self, letter_ids: Iterable[int], *, now: datetime, tried: Callable[[int], object] = lambda _: None
    ) -> Counter[Outcome]:
        """Try to record each letter once. A letter that fails again stays on the desk, with one attempt more.

        Each letter has its own transaction, after which the books are amended. If the process is killed between the
        two, or Redis is away, that one letter stays dead in the books: the tables are right and the books balance, but
        count one recorded event too few. `tried` is called after each letter, with 1.

        Returns:
            How many letters had each outcome, without the ids that no letter has.
        """
        outcomes: Counter[Outcome] = Counter()
        for letter_id in letter_ids:
            if outcome := self._retry_one(letter_id, now):
                if outcome is not Outcome.DEAD:
                    self.stream.amend(1, source=Outcome.DEAD, target=outcome)
                outcomes[outcome] += 1
            tried(1)
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
