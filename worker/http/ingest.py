"""Bring a request's events to Redis: whatever returns here without an error, Redis holds."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from worker.contract.events import PlayEvent
from worker.contract.identity import song_identity
from worker.http.metering import Meter
from worker.operations.tokens import Token
from worker.protocols.submission import Item, NowPlaying
from worker.stream.async_stream import AsyncStream
from worker.stream.measurements import of_http_events
from worker.tracing import current_traceparent

# For each token and day: enough to see what a player gets wrong, and no way to fill the desk.
MOST_LETTERS: Final = 100
# The round trips of one request share memory with those of all others.
_AT_ONCE: Final = 1_000
_UNKNOWN_DURATION_S: Final = 600


class Ingest:
    """The way into the stream for every protocol."""

    def __init__(self, stream: AsyncStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def submit(
        self, token: Token, items: Sequence[Item], *, protocol: str, now: datetime, traceparent: str | None = None
    ) -> None:
        """Return when Redis has acknowledged every accepted item. What is refused goes to the desk, within its limit.

        The events belong to the trace of the request, which `traceparent` names where this process does not trace.

        Raises:
            RetryableError, OperatorError: some items may be in the stream all the same. Their ids, or the ids that zik
                derives from them, make it harmless to send all again.
        """
        payloads = [item.payload for item in items if item.event is not None]
        refused = [item.payload for item in items if item.event is None]
        if refused:
            left = await self._stream.letters_left(token.id, wanted=len(refused), day=now.date(), most=MOST_LETTERS)
            payloads += refused[:left]
        traceparent = current_traceparent() or traceparent
        playing = None
        for start in range(0, len(payloads), _AT_ONCE):
            portion = payloads[start : start + _AT_ONCE]
            added = await self._stream.append(portion, traceparent=traceparent, now_playing_of=token.username)
            playing = added.now_playing
        if playing is not None and _is_over(playing, items):
            await self._stream.clear_now_playing(token.username, only=playing)
        outcomes: dict[str, int] = Counter(item.error.reason.value for item in items if item.error) if refused else {}
        outcomes["accepted"] = len(items) - len(refused)
        self._meter.add(of_http_events(protocol, outcomes))

    async def set_now_playing(self, token: Token, playing: NowPlaying, *, now: datetime) -> None:
        """Show what the token's user plays, until the song must have ended."""
        duration_ms = playing.song.get("duration_ms")
        seconds = -(-duration_ms // 1000) if isinstance(duration_ms, int) else _UNKNOWN_DURATION_S
        shown = {"song": dict(playing.song), "source": playing.source, "since": now.isoformat(timespec="seconds")}
        await self._stream.set_now_playing(token.username, json.dumps(shown).encode(), ttl_s=max(1, seconds))

    async def clear_now_playing(self, token: Token, *, client: str | None) -> None:
        """Forget what the token's user plays; with `client`, unless another client has announced it."""
        playing = await self._stream.now_playing(token.username)
        if playing is None:
            return
        with suppress(ValueError, KeyError, TypeError):
            if client is not None and not str(json.loads(playing)["source"]).startswith(client):
                return
        await self._stream.clear_now_playing(token.username, only=playing)


def _is_over(playing: bytes, items: Sequence[Item]) -> bool:
    """Whether one of the plays is of the song that is shown as playing now."""
    with suppress(ValueError, KeyError, TypeError):
        song = json.loads(playing)["song"]
        identity = song_identity(song["artist"], song["title"])
        return any(isinstance(item.event, PlayEvent) and item.event.song.identity == identity for item in items)
    return False
