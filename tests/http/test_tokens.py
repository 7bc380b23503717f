"""The cache of tokens: it spares the database, and a revoked token works no longer than its revocation takes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from worker.errors import DatabaseUnavailableError
from worker.http.refusals import RequestRefusedError
from worker.http.tokens import TokenCache
from worker.operations.tokens import Scope, Token

SECRET = "0b1f2c3d-0000-4000-8000-000000000001"


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Table:
    """The tokens of a database that can be away."""

    def __init__(self, *scopes: Scope) -> None:
        self.rows = {digest_of(SECRET): Token(7, "ada", "phone", frozenset(scopes or (Scope.SUBMIT,)), None)}
        self.is_away = False
        self.lookups = 0
        self.before_answer: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def find(self, digest: str) -> Token | None:
        self.lookups += 1
        if self.is_away:
            raise DatabaseUnavailableError("away")
        found = self.rows.get(digest)
        if self.before_answer:
            await self.before_answer()
        return found


class Revocations:
    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._handled = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[str | None]:
        while True:
            yield await self._queue.get()
            self._handled.set()

    async def send(self, digest: str | None) -> None:
        self._handled.clear()
        self._queue.put_nowait(digest)
        await self._handled.wait()


def run(scenario: Callable[[TokenCache, Table, Clock, Revocations], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        table, clock, revocations = Table(*options.get("scopes", ())), Clock(), Revocations()
        cache = TokenCache(table.find, monotonic=clock, rate=options.get("rate", 0))
        following = asyncio.create_task(cache.follow(aiter(revocations)))
        try:
            await scenario(cache, table, clock, revocations)
        finally:
            following.cancel()

    asyncio.run(main())


async def status_of(cache: TokenCache, text: str = SECRET, scope: Scope = Scope.SUBMIT) -> int:
    try:
        await cache.authenticate(text, scope=scope)
    except RequestRefusedError as refusal:
        return refusal.status
    except DatabaseUnavailableError:
        return 503
    return 200


def test_a_known_token_is_looked_up_once() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert [await status_of(cache) for _ in range(5)] == [200] * 5
        assert table.lookups == 1

    run(scenario)


def test_requests_at_the_same_moment_share_one_lookup() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        table.before_answer = lambda: asyncio.sleep(0)
        assert await asyncio.gather(*(status_of(cache) for _ in range(50))) == [200] * 50
        assert table.lookups <= 4

    run(scenario)


def test_an_unknown_token_is_refused_and_does_not_reach_the_database_again() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert [await status_of(cache, "guess") for _ in range(5)] == [401] * 5
        assert table.lookups == 1
        clock.now += 11
        assert await status_of(cache, "guess") == 401
        assert table.lookups == 2

    run(scenario)


@pytest.mark.parametrize(
    ("scopes", "wanted", "status"),
    [
        ((Scope.SUBMIT,), Scope.READ, 403),
        ((Scope.READ,), Scope.SUBMIT, 403),
        ((Scope.READ,), Scope.READ, 200),
        ((Scope.ADMIN,), Scope.SUBMIT, 200),
        ((Scope.SUBMIT, Scope.READ), Scope.ADMIN, 403),
    ],
)
def test_a_token_may_do_what_its_scopes_say(scopes: tuple[Scope, ...], wanted: Scope, status: int) -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache, scope=wanted) == status

    run(scenario, scopes=scopes)


def test_a_revoked_token_is_refused_at_once() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache) == 200
        table.rows.clear()
        await revocations.send(digest_of(SECRET))
        assert await status_of(cache) == 401

    run(scenario)


def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_cached() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        async def revoke() -> None:
            table.rows.clear()
            table.before_answer = None
            await revocations.send(digest_of(SECRET))

        table.before_answer = revoke
        assert await status_of(cache) == 200  # It was valid when the request came.
        assert await status_of(cache) == 401

    run(scenario)


def test_a_lost_subscription_makes_every_token_prove_itself() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache) == 200
        table.rows.clear()
        await revocations.send(None)
        assert await status_of(cache) == 401

    run(scenario)


def test_a_cached_token_works_while_the_database_is_away() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache) == 200
        table.is_away = True
        await revocations.send(None)
        assert await status_of(cache) == 200
        clock.now += 3_600
        assert await status_of(cache) == 200
        assert await status_of(cache, "another") == 503

    run(scenario)


def test_a_token_that_someone_deleted_by_hand_is_refused_after_a_minute() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache) == 200
        table.rows.clear()
        clock.now += 61
        # This request does not wait for the look-up that it starts.
        assert await status_of(cache) == 200
        await asyncio.sleep(0.01)
        assert await status_of(cache) == 401

    run(scenario)


def test_a_token_over_its_rate_is_told_when_to_come_back() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert [await status_of(cache) for _ in range(21)] == [200] * 20 + [429]
        with pytest.raises(RequestRefusedError) as refusal:
            await cache.authenticate(SECRET, scope=Scope.SUBMIT)
        assert refusal.value.headers == {"retry-after": "1", "x-ratelimit-reset-in": "1"}
        clock.now += 1
        assert [await status_of(cache) for _ in range(3)] == [200, 200, 429]

    run(scenario, rate=2)


def test_the_cache_does_not_grow_with_guesses() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache) == 200
        for number in range(10_100):
            assert await status_of(cache, f"guess {number}") == 401
        assert len(cache._unknown) == 10_000
        assert await status_of(cache) == 200
        assert table.lookups == 10_101

    run(scenario)


def test_used_tokens_are_reported_once() -> None:
    async def scenario(cache: TokenCache, table: Table, clock: Clock, revocations: Revocations) -> None:
        assert await status_of(cache) == 200
        assert cache.used() == {7}
        assert cache.used() == set()

    run(scenario)
