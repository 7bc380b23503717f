"""The event stream in Redis. The only module that speaks Redis commands, and the only one that sees its replies."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.books import Books
from worker.errors import StreamFullError, StreamMisusedError, StreamUnavailableError
from worker.keys import BOOKS, DRAINS, FIELD, GROUP, MEASURES, STREAM
from worker.outcome import Outcome

SOCKET_TIMEOUT_S: Final = 5.0
# Well below the socket timeout: an idle read must end as an empty reply, not as a broken connection.
BLOCK_MS: Final = 500

# A client may add entries of any size, and thousands of them at once. Reading takes about three times their bytes.
_MOST_BYTES: Final = 16 * 2**20
# The server fills a node with 4 KiB of entries, so that only large ones are beyond this.
_ORDINARY_NODE_BYTES: Final = 8 * 2**10
# The length of the flat list [name, value].
_ONE_FIELD: Final = 2
_LUA: Final = files("worker") / "lua"


class Entry(NamedTuple):
    """One stream entry. `payload` is None where it has no event field; `stray` then shows the fields it has."""

    id: str
    payload: bytes | None
    stray: bytes = b""


class Batch(NamedTuple):
    """Entries to record, and the ids of those that somebody deleted while they were pending."""

    entries: list[Entry]
    vanished: list[str]


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
        # redis-py turns each entry into a list, a tuple and a dict; `_rows` and `_batch` read the replies as they came.
        for command in ("XREADGROUP", "XAUTOCLAIM"):
            self._redis.set_response_callback(command, lambda reply, **_: reply)
        self._acknowledge = self._script("acknowledge")
        self._amend = self._script("amend")
        self._group = self._script("group")
        self._books = self._script("books")
        self._node_bytes = self._script("node_bytes")
        self._report = self._script("report")
        self._retire = self._script("retire")

    def _script(self, name: str) -> Any:
        return self._redis.register_script((_LUA / f"{name}.lua").read_bytes())

    @classmethod
    def at(cls, url: str) -> "EventStream":
        """The stream of the Redis at `url`.

        Without redis-py's retries: it would repeat an XREADGROUP whose reply was lost, and hide what that one read.
        """
        return cls(
            redis.Redis.from_url(
                url,
                decode_responses=False,
                socket_timeout=SOCKET_TIMEOUT_S,
                socket_connect_timeout=SOCKET_TIMEOUT_S,
                socket_keepalive=True,
                retry=Retry(NoBackoff(), 0),
                retry_on_error=[],
                client_name="zik",
            )
        )

    def close(self) -> None:
        self._redis.close()

    # --- publishing ----------------------------------------------------------------------------

    def append(self, payloads: Iterable[bytes]) -> list[str]:
        """Add events in order, in one round trip, and return their entry ids.

        Raises:
            StreamFullError: Redis has reached `maxmemory`. Some of the events may have been accepted; ids make it
                harmless to publish all of them again.
        """
        with _translated():
            pipeline = self._redis.pipeline(transaction=False)
            for payload in payloads:
                pipeline.xadd(STREAM, {FIELD: payload})
            # redis-py's own error for a pipeline quotes the command, and with it what somebody listens to.
            replies = pipeline.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return [entry_id.decode() for entry_id in replies]

    # --- reading -------------------------------------------------------------------------------

    def ensure_group(self) -> None:
        """Create the consumer group, at the stream's beginning: what was published before it counts too."""
        with _translated():
            self._group(keys=[STREAM], args=[GROUP])

    def read_pending(self, consumer: str, *, count: int, after: str = "0") -> Batch:
        """What this consumer was given earlier and never acknowledged, from the oldest, beyond the id `after`."""
        return self._read(consumer, start=after, count=count, block_ms=None)

    def light_enough(self, count: int) -> int:
        """How many entries to read at once: at most `count`, and fewer where large ones would fill the memory."""
        with _translated():
            node_bytes = int(self._node_bytes(keys=[STREAM]))
        return count if node_bytes <= _ORDINARY_NODE_BYTES else max(1, min(count, _MOST_BYTES // node_bytes))

    def read_new(self, consumer: str, *, count: int, block_ms: int) -> Batch:
        """Entries that no consumer has seen, waiting up to `block_ms` for the first of them (0: do not wait)."""
        return self._read(consumer, start=">", count=count, block_ms=block_ms or None)

    def _read(self, consumer: str, *, start: str, count: int, block_ms: int | None) -> Batch:
        with _translated():
            try:
                reply = self._redis.xreadgroup(GROUP, consumer, {STREAM: start}, count=count, block=block_ms)
            except redis.ResponseError as error:
                return self._group_again(error)
        return _batch(_rows(reply))

    def claim_abandoned(self, consumer: str, *, count: int, idle_ms: int) -> Batch:
        """Take over entries that any consumer has held for at least `idle_ms` without acknowledging them."""
        with _translated():
            try:
                reply = self._redis.xautoclaim(STREAM, GROUP, consumer, idle_ms, start_id="0-0", count=count)
            except redis.ResponseError as error:
                return self._group_again(error)
        _, rows, vanished = reply
        return Batch(_batch(rows).entries, [entry_id.decode() for entry_id in vanished])

    def _group_again(self, error: redis.ResponseError) -> Batch:
        """Somebody destroyed the group or the whole stream: begin anew with what is there."""
        if not str(error).startswith("NOGROUP"):
            raise error
        self.ensure_group()
        return Batch([], [])

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
        with _translated():
            return int(self._acknowledge(keys=[STREAM, BOOKS], args=[GROUP, *arguments]))

    def forget_vanished(self, entry_ids: list[str]) -> None:
        """Strike entries from the pending list that somebody else has deleted; the books show them as unaccounted."""
        if entry_ids:
            with _translated():
                self._redis.xack(STREAM, GROUP, *entry_ids)

    def retire(self, consumer: str) -> bool:
        """Remove a consumer that has nothing pending. One that has is kept, and False returned."""
        with _translated():
            return bool(self._retire(keys=[STREAM, DRAINS], args=[GROUP, consumer]))

    def report(self, consumer: str, measured: Mapping[str, int]) -> None:
        """Note that this drain gets through ("" is none), and add up what was measured. Works on a full Redis."""
        with _translated():
            pairs = [part for pair in measured.items() for part in pair]
            self._report(keys=[DRAINS, MEASURES], args=[consumer, *pairs])

    # --- looking -------------------------------------------------------------------------------

    def books(self) -> Books:
        with _translated():
            added, waiting, pending, oldest, clock_s, *moved = self._books(keys=[STREAM, BOOKS], args=[GROUP])
        recorded, duplicate, dead = moved
        born_ms = int(oldest.split(b"-")[0]) if oldest else int(clock_s) * 1000
        age_s = max(0.0, int(clock_s) - born_ms / 1000)
        return Books(added, recorded, duplicate, dead, waiting, pending, age_s)

    def consumers(self) -> list[Consumer]:
        """The group's consumers; none, where no worker has ever read the stream."""
        with _translated():
            try:
                rows = self._redis.xinfo_consumers(STREAM, GROUP)
            except redis.ResponseError as error:
                if str(error).startswith(("NOGROUP", "no such key")):
                    return []
                raise
        return sorted(Consumer(row["name"].decode(), row["pending"], row["idle"] / 1000) for row in rows)

    def last_id_ms(self) -> int:
        """The time in the id that was given last; 0 where there is no stream."""
        with _translated():
            if not self._redis.exists(STREAM):
                return 0
            return int(self._redis.xinfo_stream(STREAM)["last-generated-id"].split(b"-")[0])

    def last_through_s(self) -> dict[str, float]:
        """How long ago each drain last got through, by its consumer: it had committed a batch or found none."""
        with _translated():
            now_s, _ = self._redis.time()
            drains = self._redis.hgetall(DRAINS)
        return {name.decode(): max(0.0, now_s - int(at)) for name, at in sorted(drains.items())}

    def measures(self) -> dict[str, int]:
        """What all drains and tasks ever measured; see `worker.measures`."""
        with _translated():
            return {field.decode(): int(number) for field, number in self._redis.hgetall(MEASURES).items()}

    def amend(self, count: int, *, source: Outcome, target: Outcome) -> None:
        """Enter in the books that `count` events changed their outcome, as a retried dead letter does."""
        with _translated():
            self._amend(keys=[BOOKS], args=[source.value, target.value, count])

    def server(self) -> Mapping[str, Any]:
        """What Redis says of itself (INFO), for the doctor."""
        with _translated():
            info: Mapping[str, Any] = self._redis.info()
        return info

    def refuses_writes(self) -> bool:
        """Whether Redis is full: reading and acknowledging still work, and nothing else that writes."""
        info = self.server()
        return 0 < info.get("maxmemory", 0) <= info["used_memory"] and info.get("maxmemory_policy") == "noeviction"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except redis.OutOfMemoryError as error:
        raise StreamFullError("Redis is full (maxmemory): start workers, or give it more memory") from error
    except redis.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise StreamMisusedError(f"the key {STREAM} holds something else than a stream: move it away") from error
        raise StreamUnavailableError(f"Redis refuses the command: {error}") from error
    except (redis.RedisError, OSError) as error:
        raise StreamUnavailableError(f"Redis is out of reach: {error}") from error


def _shown(fields: Mapping[bytes, bytes]) -> bytes:
    """The fields of an entry that is no event as JSON, so that whoever looks at the dead letter sees what came."""
    readable = {_readable(name): _readable(value) for name, value in fields.items()}
    return json.dumps(readable, ensure_ascii=False).encode()


def _readable(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _rows(reply: Any) -> Iterator[Any]:
    """The entries of an XREADGROUP reply: RESP2 gives pairs of stream and entries, RESP3 a map."""
    pairs = reply.items() if isinstance(reply, dict) else reply or []
    for _, entries in pairs:
        yield from entries


def _batch(rows: Iterable[Any]) -> Batch:
    entries, vanished = [], []
    for entry_id, fields in rows:
        # An entry has at least one field. Of one that was deleted while pending, only the id is left.
        if not fields:
            vanished.append(entry_id.decode())
        elif len(fields) == _ONE_FIELD and fields[0] == FIELD:
            entries.append(Entry(entry_id.decode(), fields[1]))
        else:
            entries.append(_unusual(entry_id.decode(), fields))
    return Batch(entries, vanished)


def _unusual(entry_id: str, fields: list[bytes]) -> Entry:
    """An entry with other fields than `event` alone, as a flat list of names and values."""
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    payload = named.get(FIELD)
    return Entry(entry_id, payload, _shown(named) if payload is None else b"")
