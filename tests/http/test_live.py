"""What an open page hears of changes, and how long: of the readers alone, with a clock that only the test moves."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import pytest

from worker.errors import StreamUnavailableError, UnknownUserError
from worker.http import live as module
from worker.http.live import CHANGED, COMMENT, COMMENT_EVERY_S, LONGEST_S, Live, Reader
from worker.http.refusals import RequestRefusedError
from worker.stream.changes import announcement

Result = TypeVar("Result")


class World:
    """A clock, and what a page shows that no commit announces; an error is raised instead."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.shown: object = None
        self.live = Live(most=2, monotonic=lambda: self.now_s)

    async def look(self) -> object:
        if isinstance(self.shown, Exception):
            raise self.shown
        return self.shown

    async def open(self, user: str = "ada") -> tuple[Reader, AsyncIterator[bytes]]:
        """A reader that has read what each reads at first."""
        reader = await self.live.open(user, self.look)
        messages = reader.messages()
        assert (await anext(messages)).startswith(b"retry: ")
        assert await anext(messages) == CHANGED
        return reader, messages

    async def announce(self, *texts: str | None) -> None:
        async def changes() -> AsyncIterator[str | None]:
            for text in texts:
                yield text

        await self.live.follow(changes())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "APART_S", 0.0)
    return World()


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(scenario, 30))


async def is_silent(messages: AsyncIterator[bytes]) -> bool:
    """Whether nothing comes. Do not read on after it."""
    waiting = asyncio.ensure_future(anext(messages))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    waiting.cancel()
    return not done


def test_a_reader_hears_of_its_user_and_of_no_other(world: World) -> None:
    async def scenario() -> None:
        _, ada = await world.open("ada")
        _, bob = await world.open("bob")
        await world.announce('["ada", "carol"]')
        assert await anext(ada) == CHANGED
        assert await is_silent(bob)

    run(scenario())


def test_pages_that_were_opened_together_do_not_look_and_end_together(world: World) -> None:
    async def scenario() -> None:
        world.live = Live(most=50, monotonic=lambda: world.now_s)
        looks: list[float] = []

        async def look() -> None:
            looks.append(world.now_s)

        opened = [await world.live.open("ada", look) for _ in range(50)]
        looks.clear()
        messages = [reader.messages() for reader in opened]
        for each in messages:
            assert [await anext(each), await anext(each)][1] == CHANGED
        waiting = [asyncio.ensure_future(anext(each)) for each in messages]
        for _ in range(16):
            world.now_s += 1.0
            for reader in opened:
                reader._woken.set()
            await asyncio.sleep(0.01)
        assert len(looks) >= 50
        assert max(map(looks.count, looks)) < 25
        for task in waiting:
            task.cancel()

    run(scenario())


def test_many_changes_are_one_message(world: World) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        await world.announce(*['["ada"]'] * 10_000)
        assert await anext(messages) == CHANGED
        assert await is_silent(messages)

    run(scenario())


def test_after_an_outage_everyone_looks_again(world: World) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        await world.announce(None)
        assert await anext(messages) == CHANGED

    run(scenario())


def test_a_change_of_everyone_reaches_every_reader(world: World) -> None:
    async def scenario() -> None:
        _, ada = await world.open("ada")
        _, bob = await world.open("bob")
        await world.announce(str(announcement(None)[-1]))
        assert [await anext(ada), await anext(bob)] == [CHANGED, CHANGED]

    run(scenario())


@pytest.mark.parametrize("text", ["", "{", "1", '{"ada": 1}', "[1, null]", '"ada"', "[[]]"])
def test_what_others_announce_is_ignored(world: World, text: str) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        await world.announce(text, '["ada"]')
        assert await anext(messages) == CHANGED

    run(scenario())


def test_names_of_any_script_are_heard(world: World) -> None:
    async def scenario() -> None:
        _, messages = await world.open("日本\n\u2028")
        await world.announce(json.dumps(["日本\n\u2028"]))
        assert await anext(messages) == CHANGED

    run(scenario())


def test_a_comment_shows_that_the_connection_is_alive(world: World) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        world.now_s += COMMENT_EVERY_S
        assert await anext(messages) == COMMENT

    run(scenario())


def test_what_ends_by_itself_is_a_change_too(world: World) -> None:
    async def scenario() -> None:
        world.shown = b"Parabola"
        _, messages = await world.open()
        world.shown = None
        world.now_s += COMMENT_EVERY_S
        assert [await anext(messages), await anext(messages)] == [COMMENT, CHANGED]

    run(scenario())


def test_who_may_not_look_gets_no_place(world: World) -> None:
    async def scenario() -> None:
        world.shown = UnknownUserError("ada")
        for _ in range(3):
            with pytest.raises(UnknownUserError):
                await world.open()

    run(scenario())


@pytest.mark.parametrize("is_busy", [False, True])
def test_who_may_look_no_more_is_let_go_though_much_changes(world: World, *, is_busy: bool) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        world.shown = UnknownUserError("ada")
        world.now_s += COMMENT_EVERY_S
        if is_busy:
            await world.announce('["ada"]')
        assert [message async for message in messages] == []

    run(scenario())


def test_after_a_revocation_everyone_is_checked_at_once(world: World) -> None:
    async def revocations() -> AsyncIterator[str]:
        yield "digest"

    async def scenario() -> None:
        _, messages = await world.open()
        waiting = asyncio.ensure_future(anext(messages, None))
        await asyncio.sleep(0)
        world.shown = UnknownUserError("ada")
        assert [digest async for digest in world.live.doubting(revocations())] == ["digest"]
        assert await waiting is None

    run(scenario())


@pytest.mark.parametrize("error", [StreamUnavailableError("away"), RequestRefusedError(429, "too many")])
def test_a_reader_stays_while_nobody_can_say_whether_it_may(world: World, error: Exception) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        world.shown = error
        world.now_s += COMMENT_EVERY_S
        assert await anext(messages) == COMMENT
        await world.announce('["ada"]')
        assert await anext(messages) == CHANGED

    run(scenario())


def test_beyond_the_limit_a_page_is_refused_until_another_leaves(world: World) -> None:
    async def scenario() -> None:
        reader, _ = await world.open()
        await world.open()
        with pytest.raises(RequestRefusedError) as refused:
            await world.open()
        assert refused.value.status == 503
        reader.close()
        reader.close()
        await world.open()

    run(scenario())


def test_a_reader_ends_in_time_so_that_what_it_left_unread_stays_small(world: World) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        world.now_s += LONGEST_S
        assert [message async for message in messages] == []

    run(scenario())


def test_at_the_end_all_are_let_go_and_no_more_come(world: World) -> None:
    async def scenario() -> None:
        _, messages = await world.open()
        waiting = asyncio.ensure_future(anext(messages, None))
        await asyncio.sleep(0)
        world.live.close()
        assert await waiting is None
        with pytest.raises(RequestRefusedError):
            await world.open()

    run(scenario())
