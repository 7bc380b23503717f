"""What runs behind the requests goes on, whatever it meets."""

import asyncio

from worker.errors import StreamUnavailableError
from worker.http.services import _for_ever


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
