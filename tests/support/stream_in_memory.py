"""A stream in memory for tests of the drain's loop. tests/stream/test_consumer_contract.py holds it to the real one."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker.books import Outcome
from worker.errors import StreamUnavailableError
from worker.stream.entries import Batch, Entry
from worker.stream.inspection import Consumer


@dataclass
class Clock:
    """A monotonic clock that only the test moves."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class StreamInMemory:
    """What a drain uses of an `EventStream`, and a note of what it did.

    Set `read_takes_s`, `away` and `on_acknowledge` for a stream that is slow, away, or looked at by the test.
    """

    clock: Clock = field(default_factory=Clock)
    calls: list[str] = field(default_factory=list)
    blocked_ms: list[int] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    recorded_attempts: Counter[str] = field(default_factory=Counter)
    reported: list[Mapping[str, int]] = field(default_factory=list)
    announced: list[list[str]] = field(default_factory=list)
    away: bool = False
    read_takes_s: float = 0.0
    on_acknowledge: Callable[[], None] = lambda: None
    _entries: dict[str, Entry] = field(default_factory=dict)
    _new: list[str] = field(default_factory=list)
    _pending: dict[str, tuple[str, float]] = field(default_factory=dict)

    # --- What a test does with it --------------------------------------------------------------

    def add(self, *entries: Entry) -> None:
        self._entries |= {entry.id: entry for entry in entries}
        self._new += [entry.id for entry in entries]

    def append(self, payloads: Iterable[bytes]) -> list[str]:
        first = len(self._entries) + 1
        entries = [Entry(f"{number}-0", payload) for number, payload in enumerate(payloads, first)]
        self.add(*entries)
        return [entry.id for entry in entries]

    def give(self, consumer: str, *entries: Entry, idle_s: float = 0.0) -> None:
        """Let the consumer have read these entries `idle_s` ago, and not acknowledged them."""
        self._entries |= {entry.id: entry for entry in entries}
        self._pending |= {entry.id: (consumer, self.clock() - idle_s) for entry in entries}

    def delete(self, entry_id: str) -> None:
        self._entries.pop(entry_id, None)

    # --- What a drain does with it -------------------------------------------------------------

    def ensure_group(self) -> None:
        self.calls.append("group")

    def light_enough(self, count: int) -> int:
        return count

    def read_pending(self, consumer: str, *, count: int, after: str = "0") -> Batch:
        self.calls.append("pending")
        ids = [entry_id for entry_id, (owner, _) in self._pending.items() if owner == consumer]
        return self._batch([entry_id for entry_id in ids if _order(entry_id) > _order(after)][:count])

    def read_new(self, consumer: str, *, count: int, block_ms: int) -> Batch:
        self.calls.append("new")
        self.blocked_ms.append(block_ms)
        self.clock.now_s += self.read_takes_s
        ids, self._new = self._new[:count], self._new[count:]
        if not ids:
            self.clock.now_s += block_ms / 1000
        self._pending |= {entry_id: (consumer, self.clock()) for entry_id in ids}
        return self._batch(ids)

    def claim_abandoned(self, consumer: str, *, count: int, idle_ms: int) -> Batch:
        self.calls.append("abandoned")
        idle = [entry_id for entry_id, (_, at) in self._pending.items() if (self.clock() - at) * 1000 >= idle_ms]
        batch = self._batch(idle[:count])
        self.forget(batch.vanished)
        self._pending |= {entry.id: (consumer, self.clock()) for entry in batch.entries}
        return batch

    def acknowledge(self, outcomes: Mapping[Outcome, list[str]]) -> int:
        self.on_acknowledge()
        if self.away:
            raise StreamUnavailableError("away")
        ids = [entry_id for each in outcomes.values() for entry_id in each if entry_id in self._pending]
        self.acknowledged += ids
        self.forget(ids)
        for entry_id in ids:
            self.delete(entry_id)
        return len(ids)

    def forget_vanished(self, entry_ids: list[str]) -> None:
        self.vanished += entry_ids
        self.forget(entry_ids)

    def attempts(self, entry_ids: list[str]) -> list[int]:
        return [self.recorded_attempts[entry_id] for entry_id in entry_ids]

    def begin_attempt(self, entry_ids: list[str]) -> None:
        self.calls.append("begin")
        self.recorded_attempts.update(entry_ids)

    def end_attempt(self, entry_ids: Collection[str]) -> None:
        if entry_ids and self.away:
            raise StreamUnavailableError("away")
        for entry_id in entry_ids:
            self.recorded_attempts.pop(entry_id, None)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def consumers(self) -> list[Consumer]:
        return [Consumer(owner, 0, self.clock() - at) for owner, at in dict(self._pending.values()).items()]

    def take_over(self, consumer: str, *, dead: str, count: int) -> Batch:
        ids = [entry_id for entry_id, (owner, _) in self._pending.items() if owner == dead][:count]
        batch = self._batch(ids)
        self.forget(batch.vanished)
        self._pending |= {entry.id: (consumer, self.clock()) for entry in batch.entries}
        return batch

    def retire(self, consumer: str) -> bool:
        return all(owner != consumer for owner, _ in self._pending.values())

    def announce_changed(self, users: Iterable[str] | None) -> None:
        if self.away:
            raise StreamUnavailableError("away")
        assert users is not None
        self.announced.append(sorted(users))

    def report(self, consumer: str, measured: Mapping[str, int]) -> None:
        assert consumer
        self.reported.append(measured)

    def forget(self, entry_ids: Iterable[str]) -> None:
        for entry_id in entry_ids:
            self._pending.pop(entry_id, None)

    def _batch(self, ids: list[str]) -> Batch:
        return Batch(
            [self._entries[entry_id] for entry_id in ids if entry_id in self._entries],
            [entry_id for entry_id in ids if entry_id not in self._entries],
        )


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
