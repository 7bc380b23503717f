"""What runs behind the requests goes on, whatever it meets."""

import asyncio
from contextlib import suppress

from worker.errors import StreamUnavailableError
from worker.http.services import _ended, _for_ever


def test_a_task_in_the_background_goes_on_after_an_outage_and_after_a_bug() -> None:
    calls = 0
    done = asyncio.Event()

    async def call() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            done.set()
        if calls == 1:
            raise StreamUnavailableError("away")
        if calls == 2:
            raise KeyError("a bug")

    async def main() -> None:
        task = asyncio.create_task(_for_ever(call, 0.0))
        await asyncio.wait_for(done.wait(), 10)
        task.cancel()

    asyncio.run(main())


def test_a_task_that_swallows_a_cancellation_is_ended_all_the_same() -> None:
    async def stubborn() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3_600)
        await asyncio.sleep(3_600)

    async def main() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await asyncio.wait_for(_ended([task]), 10)
        assert task.cancelled()

    asyncio.run(main())
