"""Consume the event stream as one consumer group: read, claim, acknowledge. The hot path of zik's Redis commands."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import redis

from worker.books import Outcome
from worker.stream.connection import translated
from worker.stream.entries import Batch, batch_of, rows_of
from worker.stream.inspection import StreamInspector
from worker.stream.keys import ATTEMPTS, BOOKS, DRAINS, GROUP, ORPHANS, STREAM
from worker.stream.producer import Producer

# Well below the socket timeout: an idle read must end as an empty reply, not as a broken connection.
BLOCK_MS: Final = 1_000

# A client may add entries of any size, thousands at once. Reading them takes about three times their bytes.
_MAX_BATCH_BYTES: Final = 16 * 2**20
# The server fills a node with 4 KiB of entries, so only large entries exceed this.
_ORDINARY_NODE_BYTES: Final = 8 * 2**10
# Attempts at an entry that someone has deleted are never struck off, so they expire.
_KEEP_ATTEMPTS_S: Final = 86_400


class EventStream(StreamInspector):
    """The stream as one consumer group reads it. Make it after fork; it connects when first used.

    Every method raises `StreamUnavailableError` where waiting helps, and `StreamMisusedError` where it does not.
    """

    def __init__(self, client: "redis.Redis") -> None:
        super().__init__(client)
        self._producer = Producer(client)
        # redis-py turns each entry into a list, a tuple and a dict; `entries` reads the replies as they came.
        for command in ("XREADGROUP", "XAUTOCLAIM"):
            self._redis.set_response_callback(command, lambda reply, **_: reply)
        self._acknowledge = self._script("acknowledge")
        self._give_back = self._script("give_back")
        self._begin_attempt = self._script("begin_attempt")
        self._group = self._script("group")
        self._node_bytes = self._script("node_bytes")
        self._retire = self._script("retire")
        self._take_over = self._script("take_over")

    # --- Publishing ----------------------------------------------------------------------------

    def append(self, payloads: Iterable[bytes]) -> list[str]:
        """Add events in order, in one round trip, and return their entry ids. Raises as `Producer.append` does."""
        return self._producer.append(payloads).entry_ids

    # --- Reading -------------------------------------------------------------------------------

    def ensure_group(self) -> None:
        """Create the consumer group, at the stream's beginning: entries published earlier count too."""
        with translated():
            self._group(keys=[STREAM], args=[GROUP])

    def read_pending(self, consumer: str, *, count: int, after: str = "0") -> Batch:
        """Read what this consumer was given and never acknowledged, oldest first, after the id `after`."""
        return self._read(consumer, start=after, count=count, block_ms=None)

    def light_enough(self, count: int) -> int:
        """How many entries to read at once: `count`, or fewer if large entries would fill the memory."""
        with translated():
            node_bytes = int(self._node_bytes(keys=[STREAM]))
        return count if node_bytes <= _ORDINARY_NODE_BYTES else max(1, min(count, _MAX_BATCH_BYTES // node_bytes))

    def read_new(self, consumer: str, *, count: int, block_ms: int) -> Batch:
        """Read entries that no consumer has seen. Waits up to `block_ms` for the first one; 0 does not wait."""
        return self._read(consumer, start=">", count=count, block_ms=block_ms or None)

    def _read(self, consumer: str, *, start: str, count: int, block_ms: int | None) -> Batch:
        with translated():
            try:
                reply = self._redis.xreadgroup(GROUP, consumer, {STREAM: start}, count=count, block=block_ms)
            except redis.ResponseError as error:
                return self._recreate_group(error)
        return batch_of(rows_of(reply))

    def claim_abandoned(self, consumer: str, *, count: int, idle_ms: int) -> Batch:
        """Take over entries that any consumer has held for at least `idle_ms` without acknowledging them."""
        with translated():
            try:
                reply = self._redis.xautoclaim(STREAM, GROUP, consumer, idle_ms, start_id="0-0", count=count)
            except redis.ResponseError as error:
                return self._recreate_group(error)
        _, rows, vanished = reply
        return Batch(batch_of(rows).entries, [entry_id.decode() for entry_id in vanished])

    def take_over(self, consumer: str, *, dead: str, count: int) -> Batch:
        """Take the oldest entries of a consumer that has died, however short ago it read them."""
        with translated():
            try:
                ids, rows = self._take_over(keys=[STREAM], args=[GROUP, dead, consumer, count])
            except redis.ResponseError as error:
                return self._recreate_group(error)
        batch = batch_of(rows)
        there = {entry.id for entry in batch.entries}
        return Batch(batch.entries, [entry_id for each in ids if (entry_id := each.decode()) not in there])

    def _recreate_group(self, error: redis.ResponseError) -> Batch:
        """The group or the whole stream was destroyed: start over with what is there."""
        if not str(error).startswith("NOGROUP"):
            raise error
        self.ensure_group()
        return Batch([], [])

    # --- Attempts at unfinished entries --------------------------------------------------------

    def attempts(self, entry_ids: list[str]) -> list[int]:
        """Return how many attempts at each entry are on record."""
        if not entry_ids:
            return []
        with translated():
            return [int(count or 0) for count in self._redis.hmget(ATTEMPTS, entry_ids)]

    def begin_attempt(self, entry_ids: list[str]) -> None:
        with translated():
            self._begin_attempt(keys=[ATTEMPTS], args=[_KEEP_ATTEMPTS_S, *entry_ids])

    def end_attempt(self, entry_ids: Collection[str]) -> None:
        """Strike all attempts at the entries off the record."""
        if entry_ids:
            with translated():
                self._redis.hdel(ATTEMPTS, *entry_ids)

    # --- After COMMIT --------------------------------------------------------------------------

    def acknowledge(self, outcomes: Mapping[Outcome, list[str]]) -> int:
        """Acknowledge, delete and count entries, atomically. Call it only after COMMIT.

        Entries that are no longer pending are skipped, so calling it twice counts once.

        Returns:
            How many entries were still pending.
        """
        arguments = [part for outcome, ids in outcomes.items() if ids for part in (outcome.value, len(ids), *ids)]
        if not arguments:
            return 0
        with translated():
            return int(self._acknowledge(keys=[STREAM, BOOKS], args=[GROUP, *arguments]))

    def forget_vanished(self, entry_ids: list[str]) -> None:
        """Remove deleted entries from the pending list. The books show them as unaccounted."""
        if entry_ids:
            with translated():
                self._redis.xack(STREAM, GROUP, *entry_ids)

    def retire(self, consumer: str) -> bool:
        """Remove a consumer and its progress, unless it has entries pending. Returns whether it was removed."""
        with translated():
            return bool(self._retire(keys=[STREAM, DRAINS], args=[GROUP, consumer]))

    def give_back(self, *, limit: int) -> int:
        """Make orphaned entries pending again, of the `limit` oldest. Returns how many.

        An entry is orphaned when someone has deleted its consumer, or acknowledged it by hand without recording it.
        """
        with translated():
            try:
                return int(self._give_back(keys=[STREAM], args=[GROUP, ORPHANS, limit]))
            except redis.ResponseError as error:
                if str(error).startswith(("NOGROUP", "no such key", "ERR no such key")):
                    return 0
                raise
