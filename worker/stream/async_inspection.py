"""Look at the stream from asyncio, as the operator's page does: the books, and the progress of drains."""

from importlib.resources import files
from typing import Final

from worker.books import Books, Outcome
from worker.stream.inspection import books_of, progress_of
from worker.stream.keys import BOOKS, DRAINS, GROUP, STREAM
from worker.stream.multiplexer import Multiplexer

_LUA: Final = files(__package__) / "lua"


class AsyncInspector:
    """What `StreamInspector` says, for asyncio. It raises as `AsyncStream` does."""

    def __init__(self, redis: Multiplexer) -> None:
        self._redis = redis
        self._books = (_LUA / "books.lua").read_bytes()
        self._amend = (_LUA / "amend.lua").read_bytes()

    async def books(self) -> Books:
        (reply,) = await self._redis.call(("EVAL_RO", self._books, 2, STREAM, BOOKS, GROUP))
        return books_of(reply)

    async def last_progress_s(self) -> dict[str, float]:
        """How many seconds ago each drain, by consumer, last committed a batch or found the stream empty."""
        (now_s, _), drains = await self._redis.call(("TIME",), ("HGETALL", DRAINS))
        return progress_of(dict(zip(drains[::2], drains[1::2], strict=True)), int(now_s))

    async def amend(self, count: int, *, source: Outcome, target: Outcome) -> None:
        """Move `count` events from one outcome to another in the books, as after the retry of a dead letter."""
        await self._redis.call(("EVAL", self._amend, 1, BOOKS, source.value, target.value, count))
