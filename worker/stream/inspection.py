"""Look at the stream without consuming it: the books, the consumers, the measurements, and the server itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Final, NamedTuple, Self

import redis

from worker.books import Books, Outcome
from worker.stream.changes import announcement
from worker.stream.connection import connect, translated
from worker.stream.keys import BOOKS, DRAINS, GROUP, MEASURES, NOW_PLAYING, REVOKED, STREAM, now_playing_key

_LUA: Final = files(__package__) / "lua"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# As many as anyone reads, of however many users.
_MOST_NOW_PLAYING: Final = 1_000


class Consumer(NamedTuple):
    name: str
    pending: int
    idle_s: float


class StreamInspector:
    """The stream as doctors, probes and exporters see it. It connects when first used.

    Every method raises `StreamUnavailableError` where waiting helps, and `StreamMisusedError` where it does not.
    """

    def __init__(self, client: "redis.Redis") -> None:
        self._redis: Any = client
        self._amend = self._script("amend")
        self._books = self._script("books")
        self._clear_now_playing = self._script("clear_now_playing")
        self._report = self._script("report")

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(connect(url))

    @classmethod
    @contextmanager
    def opened(cls, url: str) -> Iterator[Self]:
        """Open the stream of the Redis at `url`, and close its connections at the end."""
        stream = cls.at(url)
        try:
            yield stream
        finally:
            stream.close()

    def close(self) -> None:
        self._redis.close()

    def _script(self, name: str) -> Any:
        return self._redis.register_script((_LUA / f"{name}.lua").read_bytes())

    def now(self) -> datetime:
        """The time by the clock of Redis, which makes the entry ids."""
        with translated():
            now_s, microseconds = self._redis.time()
        return _EPOCH + timedelta(seconds=now_s, microseconds=microseconds)

    def books(self) -> Books:
        with translated():
            return books_of(self._books(keys=[STREAM, BOOKS], args=[GROUP]))

    def amend(self, count: int, *, source: Outcome, target: Outcome) -> None:
        """Move `count` events from one outcome to another in the books, as after the retry of a dead letter."""
        with translated():
            self._amend(keys=[BOOKS], args=[source.value, target.value, count])

    def last_id(self) -> str:
        """The id of the newest entry; `0-0` if there never was one."""
        with translated():
            if not self._redis.exists(STREAM):
                return "0-0"
            return str(self._redis.xinfo_stream(STREAM)["last-generated-id"].decode())

    def last_id_ms(self) -> int:
        """The time in the newest entry's id, in milliseconds since 1970; 0 if there never was one."""
        return _milliseconds(self.last_id().encode())

    def oldest_until(self, entry_id: str) -> str | None:
        """The id of the oldest entry in the stream, unless that is younger than this one."""
        with translated():
            entries = self._redis.xrange(STREAM, max=entry_id, count=1)
        return entries[0][0].decode() if entries else None

    def consumers(self) -> list[Consumer]:
        """The group's consumers; none if no worker has ever read the stream."""
        with translated():
            try:
                rows = self._redis.xinfo_consumers(STREAM, GROUP)
            except redis.ResponseError as error:
                if str(error).startswith(("NOGROUP", "no such key")):
                    return []
                raise
        return sorted(Consumer(row["name"].decode(), row["pending"], row["idle"] / 1000) for row in rows)

    def last_progress_s(self) -> dict[str, float]:
        """How many seconds ago each drain, by consumer, last committed a batch or found the stream empty."""
        with translated():
            now_s, _ = self._redis.time()
            drains = self._redis.hgetall(DRAINS)
        return progress_of(drains, now_s)

    def report(self, consumer: str, measured: Mapping[str, int]) -> None:
        """Add up measurements, and note that this drain makes progress ("" is no drain). Works on a full Redis."""
        with translated():
            pairs = [part for pair in measured.items() for part in pair]
            self._report(keys=[DRAINS, MEASURES], args=[consumer, *pairs])

    def measures(self) -> dict[str, int]:
        """The measurements of all drains and tasks ever; see `worker.stream.measurements`."""
        with translated():
            return {field.decode(): int(number) for field, number in self._redis.hgetall(MEASURES).items()}

    def now_playing(self, *, most: int = _MOST_NOW_PLAYING) -> dict[str, bytes]:
        """What users play now, by user: those of the `most` users whose songs end last."""
        with translated():
            users = self._redis.zrevrangebyscore(NOW_PLAYING, "+inf", "-inf", start=0, num=most)
            names = [user.decode() for user in users]
            values = self._redis.mget([now_playing_key(name) for name in names]) if names else []
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def now_playing_of(self, user: str) -> bytes | None:
        """What this user plays now. Users are named in NFC, as in the database."""
        with translated():
            value: bytes | None = self._redis.get(now_playing_key(user))
        return value

    def clear_now_playing(self, user: str) -> None:
        with translated():
            self._clear_now_playing(keys=[now_playing_key(user), NOW_PLAYING], args=[user])

    def announce_revoked(self, digests: Iterable[str]) -> None:
        """Tell each process of the HTTP door that tokens are revoked. Call it after COMMIT."""
        with translated():
            for digest in digests:
                self._redis.publish(REVOKED, digest)

    def announce_changed(self, users: Iterable[str] | None) -> None:
        """Let open pages know whose data has changed; None is everyone's. Call it after COMMIT."""
        with translated():
            self._redis.execute_command(*announcement(users))

    def server(self) -> Mapping[str, Any]:
        """What Redis reports about itself (INFO)."""
        with translated():
            info: Mapping[str, Any] = self._redis.info()
        return info

    def refuses_writes(self) -> bool:
        """Whether Redis is full: it still reads and acknowledges, and refuses every other write."""
        info = self.server()
        return 0 < info.get("maxmemory", 0) <= info["used_memory"] and info.get("maxmemory_policy") == "noeviction"


def books_of(reply: Sequence[Any]) -> Books:
    """Read what books.lua returns."""
    added, waiting, pending, oldest, clock_s, recorded, duplicate, dead = reply
    added_ms = _milliseconds(oldest) if oldest else int(clock_s) * 1000
    age_s = max(0.0, int(clock_s) - added_ms / 1000)
    return Books(added, recorded, duplicate, dead, waiting, pending, age_s)


def progress_of(drains: Mapping[bytes, bytes], now_s: int) -> dict[str, float]:
    """How many seconds ago each drain reported, by consumer, of the hash of reports and the time by Redis."""
    return {name.decode(): max(0.0, now_s - int(at)) for name, at in sorted(drains.items())}


def _milliseconds(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])
