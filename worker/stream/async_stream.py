"""The stream as the HTTP door sees it, for asyncio: add events, and keep in Redis what its processes share."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from typing import Final, NamedTuple

from worker.stream.backpressure import check_waiting
from worker.stream.changes import announcement
from worker.stream.keys import DOOR, MEASURES, NOW_PLAYING, REVOKED, STREAM, now_playing_key
from worker.stream.multiplexer import Multiplexer
from worker.stream.packing import Command, packed, packed_events

_LUA: Final = files(__package__) / "lua"
# Longer than a day is anywhere, so that a counter of letters outlives its day.
_KEEP_LETTERS_S: Final = 2 * 86_400
# Of the W3C's Trace Context, section 3.2. What has another form is not to be passed on.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class Accepted(NamedTuple):
    """The entry ids of a request's events, in order; and what its user played then, if the caller asked for it."""

    entry_ids: list[str]
    now_playing: bytes | None


class AsyncStream:
    """All the Redis of one process of the door. Make it after fork; it connects when first used.

    Every method raises `StreamUnavailableError` where waiting helps, within five seconds, and `StreamMisusedError`
    where it does not. Users are named in NFC, as in the database.

    Args:
        at: the URL of Redis, or a connection to share.
        max_waiting: nothing is added while the stream holds so many entries; 0 means no limit. The number comes back
            with each request, so those under way may exceed it.
    """

    def __init__(self, at: str | Multiplexer, *, max_waiting: int = 0) -> None:
        self._redis = Multiplexer(at) if isinstance(at, str) else at
        self._max_waiting = max_waiting
        self._waiting: int | None = None
        self._scripts = {
            name: (_LUA / f"{name}.lua").read_bytes() for name in ("clear_now_playing", "report", "set_now_playing")
        }

    def close(self) -> None:
        """Drop the connection. Calls that wait fail."""
        self._redis.close()

    async def check(self) -> None:
        """Return if events can be added now.

        Raises:
            StreamFullError: Redis has reached `maxmemory`, or the stream `max_waiting`.
        """
        # A full Redis still reads, so this writes.
        waiting, _ = await self._redis.call(("XLEN", STREAM), ("SET", f"{DOOR}:check", "", "EX", 60))
        if self._max_waiting:
            check_waiting(waiting, self._max_waiting)

    # --- Events --------------------------------------------------------------------------------

    async def append(
        self, payloads: Sequence[bytes], *, traceparent: str | None = None, now_playing_of: str | None = None
    ) -> Accepted:
        """Add events in order, in one write. Returns when Redis has accepted each of them.

        Args:
            payloads: encoded events.
            traceparent: the trace that the events belong to; one that is malformed is left out.
            now_playing_of: also return what this user plays now, in the same round trip.

        Raises:
            StreamFullError: Redis has reached `maxmemory`, or the stream `max_waiting`. As after every error here,
                Redis may have accepted some of the events; their ids make it harmless to send all of them again.
        """
        await self._check_backpressure()
        more: list[Command] = []
        if now_playing_of is not None:
            more.append(("GET", now_playing_key(now_playing_of)))
        if self._max_waiting:
            more.append(("XLEN", STREAM))
        events = packed_events(payloads, traceparent=_checked(traceparent))
        replies = await self._redis.send(events + packed(*more), len(payloads) + len(more))
        if self._max_waiting:
            self._waiting = replies.pop()
        now_playing = replies.pop() if now_playing_of is not None else None
        return Accepted([entry_id.decode() for entry_id in replies], now_playing)

    async def _check_backpressure(self) -> None:
        if not self._max_waiting or (self._waiting is not None and self._waiting < self._max_waiting):
            return
        (self._waiting,) = await self._redis.call(("XLEN", STREAM))
        check_waiting(self._waiting, self._max_waiting)

    # --- What plays now ------------------------------------------------------------------------

    async def set_now_playing(self, user: str, value: bytes, *, ttl_s: int) -> None:
        """Store what the user plays now, for `ttl_s` seconds."""
        await self._run("set_now_playing", [now_playing_key(user), NOW_PLAYING], [user, value, ttl_s], announce=user)

    async def now_playing(self, user: str) -> bytes | None:
        (value,) = await self._redis.call(("GET", now_playing_key(user)))
        return None if value is None else bytes(value)

    async def clear_now_playing(self, user: str, *, only: bytes | None = None) -> None:
        """Forget what the user plays now; with `only`, unless something else has been stored since."""
        value = [] if only is None else [only]
        await self._run("clear_now_playing", [now_playing_key(user), NOW_PLAYING], [user, *value], announce=user)

    async def announce_changed(self, users: Sequence[str]) -> None:
        """Let open pages know whose data has changed."""
        await self._redis.call(announcement(users))

    async def announce_revoked(self, digests: Sequence[str]) -> None:
        """Tell each process of the HTTP server that tokens are revoked. Call it after COMMIT."""
        await self._redis.call(*(("PUBLISH", REVOKED, digest) for digest in digests))

    # --- Counters and short-lived values -------------------------------------------------------

    async def letters_left(self, token_id: int, *, wanted: int, day: date, most: int) -> int:
        """Count `wanted` dead letters for a token and day, and return how many of them are within `most`."""
        key = f"{DOOR}:letters:{day:%Y-%m-%d}:{token_id}"
        counted, _ = await self._redis.call(("INCRBY", key, wanted), ("EXPIRE", key, _KEEP_LETTERS_S))
        return max(0, min(wanted, most - (int(counted) - wanted)))

    async def put(self, name: str, value: bytes, *, ttl_s: int) -> None:
        """Keep a value for `ttl_s` seconds, such as the state of a sign-in."""
        await self._redis.call(("SET", f"{DOOR}:value:{name}", value, "EX", ttl_s))

    async def get(self, name: str) -> bytes | None:
        (value,) = await self._redis.call(("GET", f"{DOOR}:value:{name}"))
        return None if value is None else bytes(value)

    async def take(self, name: str) -> bytes | None:
        """Return a value and forget it: of two who ask, one gets it."""
        (value,) = await self._redis.call(("GETDEL", f"{DOOR}:value:{name}"))
        return None if value is None else bytes(value)

    # --- Measurements --------------------------------------------------------------------------

    async def report(self, measured: Mapping[str, int]) -> None:
        """Add up measurements, as `StreamInspector.report` does."""
        pairs = [part for pair in measured.items() for part in pair]
        # The script's first key is for a drain's progress, and the door has none and no right to it.
        await self._run("report", [MEASURES, MEASURES], ["", *pairs])

    async def _run(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | bytes | int], *, announce: str | None = None
    ) -> None:
        # With its text, which is shorter than most events: Redis may have forgotten a script that is called by digest.
        run: Command = ("EVAL", self._scripts[script], len(keys), *keys, *arguments)
        await self._redis.call(run, *([] if announce is None else [announcement([announce])]))


def _checked(traceparent: str | None) -> str | None:
    return traceparent if traceparent is not None and _TRACEPARENT.fullmatch(traceparent) else None
