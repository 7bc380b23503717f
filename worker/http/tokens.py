"""Know whose token a request carries: a cache over the table that forgets a revoked token at once."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from worker.errors import DatabaseUnavailableError, ZikError
from worker.http.refusals import RequestRefusedError
from worker.operations.tokens import Scope, Token, digest_of
from worker.protocols import proofs

logger = logging.getLogger(__name__)

Cached = TypeVar("Cached")


class Found(NamedTuple):
    """A token of the database, and the digest by which its revocation is announced."""

    token: Token
    digest: str


Find = Callable[[str], Awaitable[Found | None]]

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
    digest: str
    checked_at: float | None
    allowance: float
    used_at: float


class TokenCache:
    """Tokens by the digest of their text, and by the key of a session that an old protocol has opened with one.

    Args:
        find: looks a token up in the database, by a digest or by a session's key.
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
        return _permitted(await self.identify(text), scope)

    async def authenticate_session(self, text: str, *, scope: Scope) -> Token:
        """The token of a session, or with this text. Raises as `authenticate` does."""
        key = text.lower() if proofs.token_id_of(text.lower()) is not None else digest_of(text)
        return _permitted(await self._identify(key), scope)

    async def identify(self, text: str) -> Token | None:
        """The token with this text; None if there is none. Raises as `authenticate` does, without the 401 and 403."""
        return await self._identify(digest_of(text))

    async def with_digest(self, digest: str) -> Token | None:
        """The token whose text has this digest; None if there is none. Raises as `identify` does."""
        return await self._identify(digest)

    async def _identify(self, key: str) -> Token | None:
        known = self._known.get(key)
        if known is None or known.checked_at is None:
            known = await self._look_up(key, known)
            if known is None:
                return None
        elif self._monotonic() - known.checked_at > _CHECK_EVERY_S:
            self._check_later(key, known)
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

    async def _look_up(self, key: str, known: _Known | None) -> _Known | None:
        async with self._lookups:
            # Another request may have looked it up meanwhile.
            latest = self._known.get(key)
            if latest is not None and latest.checked_at is not None and latest is not known:
                return latest
            if self._unknown.get(key, 0.0) > self._monotonic():
                return None
            revocations = self._revocations
            try:
                found = await self._find(key)
            except DatabaseUnavailableError:
                # What is cached keeps working while the database is away.
                if known is None or revocations != self._revocations:
                    raise
                known.checked_at = self._monotonic()
                return known
        return self._remember(key, found, known, is_certain=revocations == self._revocations)

    def _remember(self, key: str, found: Found | None, known: _Known | None, *, is_certain: bool) -> _Known | None:
        now = self._monotonic()
        if found is None:
            self._known.pop(key, None)
            self._unknown[key] = now + _UNKNOWN_FOR_S
            _trim(self._unknown)
            return None
        latest = _Known(*found, now, self._rate * _BURST_S, now) if known is None else known
        latest.token, latest.checked_at = found.token, now
        if is_certain:
            self._known[key] = latest
            self._known.move_to_end(key)
            _trim(self._known)
        return latest

    def _check_later(self, key: str, known: _Known) -> None:
        """Look a token up again behind the requests that use it, so that none of them waits for the database."""
        if key not in self._checks:
            task = asyncio.create_task(self._check(key, known))
            self._checks[key] = task
            task.add_done_callback(lambda _: self._checks.pop(key, None))

    async def _check(self, key: str, known: _Known) -> None:
        try:
            await self._look_up(key, known)
        except (ZikError, RequestRefusedError) as error:
            logger.debug("a cached token could not be looked up again", extra={"why": type(error).__name__})

    async def follow(self, revocations: AsyncIterator[str | None]) -> None:
        """Forget each token whose digest arrives. None means that some may have been missed: look each up again."""
        async for digest in revocations:
            self._revocations += 1
            if digest is not None:
                for key in [key for key, known in self._known.items() if known.digest == digest]:
                    del self._known[key]
                continue
            for known in self._known.values():
                known.checked_at = None


def _trim(cache: OrderedDict[str, Cached]) -> None:
    if len(cache) > _MOST:
        cache.popitem(last=False)


def _permitted(token: Token | None, scope: Scope) -> Token:
    if token is None:
        raise RequestRefusedError(401, "invalid authorization token: `zik token create` makes one")
    if scope not in token.scopes and Scope.ADMIN not in token.scopes:
        raise RequestRefusedError(403, f"the token lacks the scope {scope.value}: `zik token create --scope` gives it")
    return token
