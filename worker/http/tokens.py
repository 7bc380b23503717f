"""Know whose token a request carries: a cache over the table that forgets a revoked token at once."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from worker.errors import DatabaseUnavailableError, ZikError
from worker.http.refusals import RequestRefusedError
from worker.operations.tokens import Scope, Token, digest_of

logger = logging.getLogger(__name__)

Cached = TypeVar("Cached")
Find = Callable[[str], Awaitable[Token | None]]

# A revocation arrives at once. This is for a change that no one has announced, such as one by hand.
_CHECK_EVERY_S: Final = 60.0
# Of known tokens, and apart from them of guesses, so that these drive no known one out.
_MOST: Final = 10_000
# A guess that is repeated must not reach the database each time.
_UNKNOWN_FOR_S: Final = 10.0
# As many connections as an engine has.
_LOOKUPS_AT_ONCE: Final = 4
# How many seconds of its rate a token may use at once.
_BURST_S: Final = 10.0


@dataclass
class _Known:
    """`checked_at` is None where the token has to be looked up before it is used again."""

    token: Token
    checked_at: float | None
    allowance: float
    used_at: float


class TokenCache:
    """Tokens by the digest of their text.

    Args:
        find: looks a token up in the database.
        monotonic: seconds.
        rate: how many requests a second each token may make, with bursts of ten seconds' worth; 0 is no limit.
    """

    def __init__(self, find: Find, *, monotonic: Callable[[], float], rate: int) -> None:
        self._find = find
        self._monotonic = monotonic
        self._rate = rate
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._lookups = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._checks: dict[str, asyncio.Task[None]] = {}
        # Grows with each revocation: a look-up that began before one may have read what is revoked.
        self._revocations = 0
        self._used: set[int] = set()

    async def authenticate(self, text: str, *, scope: Scope) -> Token:
        """The token with this text, if it may do what `scope` says and has not used up its rate.

        Raises:
            RequestRefusedError: 401 for an unknown token, 403 for another scope, 429 above the rate.
            DatabaseUnavailableError: the token is not cached, and cannot be looked up.
        """
        token = await self.identify(text)
        if token is None:
            raise RequestRefusedError(401, "invalid authorization token: `zik token create` makes one")
        if scope not in token.scopes and Scope.ADMIN not in token.scopes:
            raise RequestRefusedError(
                403, f"the token lacks the scope {scope.value}: `zik token create --scope` gives it"
            )
        return token

    async def identify(self, text: str) -> Token | None:
        """The token with this text; None if there is none. Raises as `authenticate` does, without the 401 and 403."""
        digest = digest_of(text)
        known = self._known.get(digest)
        if known is None or known.checked_at is None:
            known = await self._look_up(digest, known)
            if known is None:
                return None
        elif self._monotonic() - known.checked_at > _CHECK_EVERY_S:
            self._check_later(digest, known)
        self._count(known)
        return known.token

    def _count(self, known: _Known) -> None:
        now = self._monotonic()
        self._used.add(known.token.id)
        if not self._rate:
            return
        most = self._rate * _BURST_S
        known.allowance = min(most, known.allowance + (now - known.used_at) * self._rate)
        known.used_at = now
        if known.allowance < 1:
            text = f"more than {self._rate:,} requests a second with this token: send several listens in one request"
            raise RequestRefusedError(429, text, retry_after_s=1)
        known.allowance -= 1

    def used(self) -> set[int]:
        """The ids of the tokens that were used since the last call."""
        used, self._used = self._used, set()
        return used

    async def _look_up(self, digest: str, known: _Known | None) -> _Known | None:
        async with self._lookups:
            # Another request may have looked it up meanwhile.
            latest = self._known.get(digest)
            if latest is not None and latest.checked_at is not None and latest is not known:
                return latest
            if self._unknown.get(digest, 0.0) > self._monotonic():
                return None
            revocations = self._revocations
            try:
                token = await self._find(digest)
            except DatabaseUnavailableError:
                # What is cached keeps working while the database is away.
                if known is None or revocations != self._revocations:
                    raise
                known.checked_at = self._monotonic()
                return known
        return self._remember(digest, token, known, is_certain=revocations == self._revocations)

    def _remember(self, digest: str, token: Token | None, known: _Known | None, *, is_certain: bool) -> _Known | None:
        now = self._monotonic()
        if token is None:
            self._known.pop(digest, None)
            self._unknown[digest] = now + _UNKNOWN_FOR_S
            _trim(self._unknown)
            return None
        latest = _Known(token, now, self._rate * _BURST_S, now) if known is None else known
        latest.token, latest.checked_at = token, now
        if is_certain:
            self._known[digest] = latest
            self._known.move_to_end(digest)
            _trim(self._known)
        return latest

    def _check_later(self, digest: str, known: _Known) -> None:
        """Look a token up again behind the requests that use it, so that none of them waits for the database."""
        if digest not in self._checks:
            task = asyncio.create_task(self._check(digest, known))
            self._checks[digest] = task
            task.add_done_callback(lambda _: self._checks.pop(digest, None))

    async def _check(self, digest: str, known: _Known) -> None:
        try:
            await self._look_up(digest, known)
        except (ZikError, RequestRefusedError) as error:
            logger.debug("a cached token could not be looked up again", extra={"why": type(error).__name__})

    async def follow(self, revocations: AsyncIterator[str | None]) -> None:
        """Forget each token whose digest arrives. None means that some may have been missed: look each up again."""
        async for digest in revocations:
            self._revocations += 1
            if digest is not None:
                self._known.pop(digest, None)
                continue
            for known in self._known.values():
                known.checked_at = None


def _trim(cache: OrderedDict[str, Cached]) -> None:
    if len(cache) > _MOST:
        cache.popitem(last=False)
