"""The cache of tokens: it spares the database, and a revoked token works no longer than its revocation takes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from worker.errors import DatabaseUnavailableError
from worker.http.refusals import RequestRefusedError
from worker.http.tokens import Found, TokenCache
from worker.operations.tokens import Scope, Token

SECRET = "0b1f2c3d-0000-4000-8000-000000000001"  # noqa: S105 -- a canary


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

    async def find(self, digest: str) -> Found | None:
        self.lookups += 1
        if self.is_away:
            raise DatabaseUnavailableError("away")
        found = self.rows.get(digest)
        if self.before_answer:
            await self.before_answer()
        return None if found is None else Found(found, digest)


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


class World:
    """A cache over a table, with the clock and the revocations that it follows."""

    def __init__(self, scopes: tuple[Scope, ...], rate: int) -> None:
        self.table, self.clock, self.revocations = Table(*scopes), Clock(), Revocations()
        self.cache = TokenCache(self.table.find, monotonic=self.clock, rate=rate)


def run(
    scenario: Callable[[World], Coroutine[Any, Any, None]], *, scopes: tuple[Scope, ...] = (), rate: int = 0
) -> None:
    async def main() -> None:
        world = World(scopes, rate)
        following = asyncio.create_task(world.cache.follow(aiter(world.revocations)))
        try:
            await scenario(world)
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
    async def scenario(it: World) -> None:
        assert [await status_of(it.cache) for _ in range(5)] == [200] * 5
        assert it.table.lookups == 1

    run(scenario)


def test_requests_at_the_same_moment_share_one_lookup() -> None:
    async def scenario(it: World) -> None:
        it.table.before_answer = lambda: asyncio.sleep(0)
        assert await asyncio.gather(*(status_of(it.cache) for _ in range(50))) == [200] * 50
        assert it.table.lookups <= 4

    run(scenario)


def test_an_unknown_token_is_refused_and_does_not_reach_the_database_again() -> None:
    async def scenario(it: World) -> None:
        assert [await status_of(it.cache, "guess") for _ in range(5)] == [401] * 5
        assert it.table.lookups == 1
        it.clock.now += 11
        assert await status_of(it.cache, "guess") == 401
        assert it.table.lookups == 2

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
    async def scenario(it: World) -> None:
        assert await status_of(it.cache, scope=wanted) == status

    run(scenario, scopes=scopes)


def test_a_revoked_token_is_refused_at_once() -> None:
    async def scenario(it: World) -> None:
        assert await status_of(it.cache) == 200
        it.table.rows.clear()
        await it.revocations.send(digest_of(SECRET))
        assert await status_of(it.cache) == 401

    run(scenario)


def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_cached() -> None:
    async def scenario(it: World) -> None:
        async def revoke() -> None:
            it.table.rows.clear()
            it.table.before_answer = None
            await it.revocations.send(digest_of(SECRET))

        it.table.before_answer = revoke
        assert await status_of(it.cache) == 200  # It was valid when the request came.
        assert await status_of(it.cache) == 401

    run(scenario)


def test_a_lost_subscription_makes_every_token_prove_itself() -> None:
    async def scenario(it: World) -> None:
        assert await status_of(it.cache) == 200
        it.table.rows.clear()
        await it.revocations.send(None)
        assert await status_of(it.cache) == 401

    run(scenario)


def test_a_cached_token_works_while_the_database_is_away() -> None:
    async def scenario(it: World) -> None:
        assert await status_of(it.cache) == 200
        it.table.is_away = True
        await it.revocations.send(None)
        assert await status_of(it.cache) == 200
        it.clock.now += 3_600
        assert await status_of(it.cache) == 200
        assert await status_of(it.cache, "another") == 503

    run(scenario)


def test_a_token_that_someone_deleted_by_hand_is_refused_after_a_minute() -> None:
    async def scenario(it: World) -> None:
        assert await status_of(it.cache) == 200
        it.table.rows.clear()
        it.clock.now += 61
        # This request does not wait for the look-up that it starts.
        assert await status_of(it.cache) == 200
        await asyncio.sleep(0.01)
        assert await status_of(it.cache) == 401

    run(scenario)


def test_a_token_over_its_rate_is_told_when_to_come_back() -> None:
    async def scenario(it: World) -> None:
        assert [await status_of(it.cache) for _ in range(21)] == [200] * 20 + [429]
        with pytest.raises(RequestRefusedError) as refusal:
            await it.cache.authenticate(SECRET, scope=Scope.SUBMIT)
        assert refusal.value.headers == {"retry-after": "1", "x-ratelimit-reset-in": "1"}
        it.clock.now += 1
        assert [await status_of(it.cache) for _ in range(3)] == [200, 200, 429]

    run(scenario, rate=2)


def test_the_cache_does_not_grow_with_guesses() -> None:
    async def scenario(it: World) -> None:
        assert await status_of(it.cache) == 200
        for number in range(10_100):
            assert await status_of(it.cache, f"guess {number}") == 401
        assert len(it.cache._unknown) == 10_000
        assert await status_of(it.cache) == 200
        assert it.table.lookups == 10_101

    run(scenario)


def test_used_tokens_are_reported_once() -> None:
    async def scenario(it: World) -> None:
        assert await status_of(it.cache) == 200
        assert it.cache.used() == {7}
        assert it.cache.used() == set()

    run(scenario)
