"""Let open pages know that their listener's data has changed, and never what: they fetch it as any page does."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from worker.errors import UnknownUserError, ZikError
from worker.http.refusals import RequestRefusedError, busy
from worker.stream.changes import users_of

# The rest poll, as their script does when it is refused.
MOST_READERS: Final = 200
# At the latest.
COMMENT_EVERY_S: Final = 15.0
# While much is recorded, as by an import, a page is told twice a second; it fetches no faster than it is answered.
APART_S: Final = 0.5
# What a reader leaves unread for so long is less than 10 kB. Its browser comes back by itself.
LONGEST_S: Final = 600.0
_COME_BACK_AFTER_MS: Final = 2_000

CHANGED: Final = b"data: changed\n\n"
COMMENT: Final = b":\n\n"

# Returns what the page shows that no commit announces, such as what plays now until it expires. Raises UnknownUserError
# where the reader may not see these pages, or no more.
Look = Callable[[], Awaitable[object]]


class Live:
    """The readers of one process, by the user whose pages they have open."""

    def __init__(self, *, most: int = MOST_READERS, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._readers: set[Reader] = set()
        self._is_closed = False

    async def open(self, user: str | None, look: Look) -> "Reader":
        """A place for one page of the user's, or of all users; `close` gives it back.

        Raises:
            RequestRefusedError: 503 where all places are taken, or the process is about to end.
            ZikError: as `look` raises it.
        """
        if self._is_closed or len(self._readers) >= self._most:
            raise busy("too many open pages: this one looks for itself now and then")
        reader = Reader(user, look, monotonic=self._monotonic, leave=self._readers.discard)
        self._readers.add(reader)
        try:
            reader.seen = await look()
        except BaseException:
            reader.close()
            raise
        return reader

    def close(self) -> None:
        """End all readers, and take no more."""
        self._is_closed = True
        for reader in self._readers:
            reader.end()

    async def follow(self, changes: AsyncIterator[str | None]) -> None:
        """Wake the readers of each user announced. None means that announcements may have been missed: wake all."""
        async for text in changes:
            users = None if text is None else users_of(text)
            for reader in self._readers:
                if users is None or reader.user is None or reader.user in users:
                    reader.wake()

    async def doubting(self, revocations: AsyncIterator[str | None]) -> AsyncIterator[str | None]:
        """Pass revocations of tokens on. Once each is known, check of all readers whether they may go on."""
        async for digest in revocations:
            yield digest
            for reader in self._readers:
                reader.doubt()


class Reader:
    """One open page. However much changes, it takes the same memory: only that something has is remembered."""

    def __init__(
        self, user: str | None, look: Look, *, monotonic: Callable[[], float], leave: Callable[["Reader"], None]
    ) -> None:
        self.user = user
        self._look = look
        self._leave = leave
        self._monotonic = monotonic
        self._ends_at = self._in_about(LONGEST_S)
        self._looks_at = self._in_about(COMMENT_EVERY_S)
        self.seen: object = None
        self._woken = asyncio.Event()
        # The page was made before it could hear of changes.
        self._is_behind = True

    def wake(self) -> None:
        self._is_behind = True
        self._woken.set()

    def doubt(self) -> None:
        self._looks_at = self._monotonic()
        self._woken.set()

    def end(self) -> None:
        self._ends_at = self._monotonic()
        self._woken.set()

    def close(self) -> None:
        """Give the place back. Closing twice is allowed."""
        self._leave(self)

    async def messages(self) -> AsyncIterator[bytes]:
        """What is sent to the page: `changed` within a second of each change, and a comment where nothing changes."""
        yield b"retry: %d\n\n" % _COME_BACK_AFTER_MS
        while self._monotonic() < self._ends_at:
            if self._monotonic() >= self._looks_at:
                if not await self._may_go_on():
                    return
                yield COMMENT
            if self._is_behind:
                self._is_behind = False
                yield CHANGED
                await asyncio.sleep(APART_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._looks_at - self._monotonic())):
                    await self._woken.wait()
            self._woken.clear()

    def _in_about(self, seconds: float) -> float:
        # Pages come back together, after a restart for instance. If all looked at one moment, other pages would wait.
        return self._monotonic() + seconds * random.uniform(0.5, 1.0)  # noqa: S311 -- no secret

    async def _may_go_on(self) -> bool:
        self._looks_at = self._in_about(COMMENT_EVERY_S)
        try:
            seen = await self._look()
        except UnknownUserError:
            return False
        except (ZikError, RequestRefusedError):
            # While a server is away nobody can say, and nothing is shown meanwhile.
            return True
        self._is_behind |= seen != self.seen
        self.seen = seen
        return True
