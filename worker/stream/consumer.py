"""The event stream as its consumers see it. With producer.py the only module that speaks Redis commands."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final, NamedTuple

import redis

from worker.books import Books, Outcome
from worker.stream.connection import connect, translated
from worker.stream.entries import Batch, batch_of, rows_of
from worker.stream.keys import ATTEMPTS, BOOKS, DRAINS, GROUP, LEFTOVERS, MEASURES, STREAM
from worker.stream.producer import Producer

# Well below the socket timeout: an idle read must end as an empty reply, not as a broken connection.
BLOCK_MS: Final = 500

# A client may add entries of any size, and thousands of them at once. Reading takes about three times their bytes.
_MOST_BYTES: Final = 16 * 2**20
# The server fills a node with 4 KiB of entries, so that only large ones are beyond this.
_ORDINARY_NODE_BYTES: Final = 8 * 2**10
# Of an entry that somebody has deleted, nobody will strike off the attempts.
_REMEMBER_S: Final = 86_400
_LUA: Final = files("worker.stream") / "lua"


class Consumer(NamedTuple):
    name: str
    pending: int
    idle_s: float


class EventStream:
    """The stream, as one consumer group reads it. Make it after fork; it connects when first used.

    Every method raises `StreamUnavailableError` where waiting helps, and `StreamMisusedError` where it does not.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._redis: Any = client
        self._producer = Producer(client)
        # redis-py turns each entry into a list, a tuple and a dict; `entries` reads the replies as they came.
        for command in ("XREADGROUP", "XAUTOCLAIM"):
            self._redis.set_response_callback(command, lambda reply, **_: reply)
        self._acknowledge = self._script("acknowledge")
        self._amend = self._script("amend")
        self._give_back = self._script("give_back")
        self._begin_attempt = self._script("begin_attempt")
        self._group = self._script("group")
        self._books = self._script("books")
        self._node_bytes = self._script("node_bytes")
        self._report = self._script("report")
        self._retire = self._script("retire")

    def _script(self, name: str) -> Any:
        return self._redis.register_script((_LUA / f"{name}.lua").read_bytes())

    @classmethod
    def at(cls, url: str) -> "EventStream":
        return cls(connect(url))

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> "Iterator[EventStream]":
        """The stream of the Redis at `url`, whose connections are closed at the end."""
        stream = cls.at(url)
        try:
            yield stream
        finally:
            stream.close()

    def close(self) -> None:
        self._redis.close()

    # --- publishing ----------------------------------------------------------------------------

    def append(self, payloads: Iterable[bytes]) -> list[str]:
        """Add events in order, in one round trip, and return their entry ids. Errors are those of `Producer.append`."""
        return self._producer.append(payloads).entry_ids

    # --- reading -------------------------------------------------------------------------------

    def ensure_group(self) -> None:
        """Create the consumer group, at the stream's beginning: what was published before it counts too."""
        with translated():
            self._group(keys=[STREAM], args=[GROUP])

    def read_pending(self, consumer: str, *, count: int, after: str = "0") -> Batch:
        """What this consumer was given earlier and never acknowledged, from the oldest, beyond the id `after`."""
        return self._read(consumer, start=after, count=count, block_ms=None)

    def light_enough(self, count: int) -> int:
        """How many entries to read at once: at most `count`, and fewer where large ones would fill the memory."""
        with translated():
            node_bytes = int(self._node_bytes(keys=[STREAM]))
        return count if node_bytes <= _ORDINARY_NODE_BYTES else max(1, min(count, _MOST_BYTES // node_bytes))

    def read_new(self, consumer: str, *, count: int, block_ms: int) -> Batch:
        """Entries that no consumer has seen, waiting up to `block_ms` for the first of them (0: do not wait)."""
        return self._read(consumer, start=">", count=count, block_ms=block_ms or None)

    def _read(self, consumer: str, *, start: str, count: int, block_ms: int | None) -> Batch:
        with translated():
            try:
                reply = self._redis.xreadgroup(GROUP, consumer, {STREAM: start}, count=count, block=block_ms)
            except redis.ResponseError as error:
                return self._group_again(error)
        return batch_of(rows_of(reply))

    def claim_abandoned(self, consumer: str, *, count: int, idle_ms: int) -> Batch:
        """Take over entries that any consumer has held for at least `idle_ms` without acknowledging them."""
        with translated():
            try:
                reply = self._redis.xautoclaim(STREAM, GROUP, consumer, idle_ms, start_id="0-0", count=count)
            except redis.ResponseError as error:
                return self._group_again(error)
        _, rows, vanished = reply
        return Batch(batch_of(rows).entries, [entry_id.decode() for entry_id in vanished])

    def _group_again(self, error: redis.ResponseError) -> Batch:
        """Somebody destroyed the group or the whole stream: begin anew with what is there."""
        if not str(error).startswith("NOGROUP"):
            raise error
        self.ensure_group()
        return Batch([], [])

    # --- attempts at what was left unfinished --------------------------------------------------

    def attempts(self, entry_ids: list[str]) -> list[int]:
        """For each entry, how many attempts at it are on record."""
        if not entry_ids:
            return []
        with translated():
            return [int(count or 0) for count in self._redis.hmget(ATTEMPTS, entry_ids)]

    def begin_attempt(self, entry_ids: list[str]) -> None:
        with translated():
            self._begin_attempt(keys=[ATTEMPTS], args=[_REMEMBER_S, *entry_ids])

    def end_attempt(self, entry_ids: Collection[str]) -> None:
        """Strike all attempts at the entries off the record."""
        if entry_ids:
            with translated():
                self._redis.hdel(ATTEMPTS, *entry_ids)

    # --- after COMMIT --------------------------------------------------------------------------

    def acknowledge(self, outcomes: Mapping[Outcome, list[str]]) -> int:
        """Acknowledge, delete and count entries, atomically. Call it only after COMMIT.

        Entries that are no longer pending are passed over, so calling it twice counts once.

        Returns:
            How many entries were still pending.
        """
        arguments = [part for outcome, ids in outcomes.items() if ids for part in (outcome.value, len(ids), *ids)]
        if not arguments:
            return 0
        with translated():
            return int(self._acknowledge(keys=[STREAM, BOOKS], args=[GROUP, *arguments]))

    def forget_vanished(self, entry_ids: list[str]) -> None:
        """Strike entries from the pending list that somebody else has deleted; the books show them as unaccounted."""
        if entry_ids:
            with translated():
                self._redis.xack(STREAM, GROUP, *entry_ids)

    def retire(self, consumer: str) -> bool:
        """Remove a consumer that has nothing pending. One that has is kept, and False returned."""
        with translated():
            return bool(self._retire(keys=[STREAM, DRAINS], args=[GROUP, consumer]))

    def report(self, consumer: str, measured: Mapping[str, int]) -> None:
        """Note that this drain gets through ("" is none), and add up what was measured. Works on a full Redis."""
        with translated():
            pairs = [part for pair in measured.items() for part in pair]
            self._report(keys=[DRAINS, MEASURES], args=[consumer, *pairs])

    def give_back(self, *, most: int) -> int:
        """Make entries pending again that were taken from a consumer without being recorded. Returns how many.

        Somebody has deleted a consumer or acknowledged by hand. Looks at the `most` oldest entries.
        """
        with translated():
            try:
                return int(self._give_back(keys=[STREAM], args=[GROUP, LEFTOVERS, most]))
            except redis.ResponseError as error:
                if str(error).startswith(("NOGROUP", "no such key", "ERR no such key")):
                    return 0
                raise

    # --- looking -------------------------------------------------------------------------------

    def books(self) -> Books:
        with translated():
            added, waiting, pending, oldest, clock_s, *moved = self._books(keys=[STREAM, BOOKS], args=[GROUP])
        recorded, duplicate, dead = moved
        born_ms = int(oldest.split(b"-")[0]) if oldest else int(clock_s) * 1000
        age_s = max(0.0, int(clock_s) - born_ms / 1000)
        return Books(added, recorded, duplicate, dead, waiting, pending, age_s)

    def last_id(self) -> str:
        """The id of the entry that was added last; `0-0` where there never was one."""
        with translated():
            if not self._redis.exists(STREAM):
                return "0-0"
            return str(self._redis.xinfo_stream(STREAM)["last-generated-id"].decode())

    def oldest_until(self, entry_id: str) -> str | None:
        """The id of the oldest entry in the stream, if that is no younger than this one."""
        with translated():
            entries = self._redis.xrange(STREAM, max=entry_id, count=1)
        return entries[0][0].decode() if entries else None

    def consumers(self) -> list[Consumer]:
        """The group's consumers; none, where no worker has ever read the stream."""
        with translated():
            try:
                rows = self._redis.xinfo_consumers(STREAM, GROUP)
            except redis.ResponseError as error:
                if str(error).startswith(("NOGROUP", "no such key")):
                    return []
                raise
        return sorted(Consumer(row["name"].decode(), row["pending"], row["idle"] / 1000) for row in rows)

    def last_id_ms(self) -> int:
        """The time in the id that was given last; 0 where there is no stream."""
        with translated():
            if not self._redis.exists(STREAM):
                return 0
            return int(self._redis.xinfo_stream(STREAM)["last-generated-id"].split(b"-")[0])

    def last_progress_s(self) -> dict[str, float]:
        """How long ago each drain last got through, by its consumer: it had committed a batch or found none."""
        with translated():
            now_s, _ = self._redis.time()
            drains = self._redis.hgetall(DRAINS)
        return {name.decode(): max(0.0, now_s - int(at)) for name, at in sorted(drains.items())}

    def measures(self) -> dict[str, int]:
        """What all drains and tasks ever measured; see `worker.stream.measurements`."""
        with translated():
            return {field.decode(): int(number) for field, number in self._redis.hgetall(MEASURES).items()}

    def amend(self, count: int, *, source: Outcome, target: Outcome) -> None:
        """Enter in the books that `count` events changed their outcome, as a retried dead letter does."""
        with translated():
            self._amend(keys=[BOOKS], args=[source.value, target.value, count])

    def server(self) -> Mapping[str, Any]:
        """What Redis says of itself (INFO), for the doctor."""
        with translated():
            info: Mapping[str, Any] = self._redis.info()
        return info

    def refuses_writes(self) -> bool:
        """Whether Redis is full: reading and acknowledging still work, and nothing else that writes."""
        info = self.server()
        return 0 < info.get("maxmemory", 0) <= info["used_memory"] and info.get("maxmemory_policy") == "noeviction"
