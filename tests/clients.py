"""Clients of each kind behind one blocking face, so that one test speaks for all of them."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from worker.client import AsyncClient, Client

# A kind, and whether its calls return before the event is sent.
KINDS: Final = {"client": False, "sync client": True, "async client": False, "sync async client": True}


class Blocking:
    """Awaits what is to be awaited."""

    def __init__(self, client: Any, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._client, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            answer = value(*arguments, **named)
            return self._runner.run(answer) if inspect.iscoroutine(answer) else answer

        return call


Opener = Callable[..., Any]


@contextmanager
def opened(kind: str, url: str, **options: Any) -> Iterator[Any]:
    made: type[Client | AsyncClient] = AsyncClient if "async" in kind.split() else Client
    with asyncio.Runner() as runner:
        client = Blocking(made(url, sync=KINDS[kind], **options), runner)
        try:
            yield client
        finally:
            client.close()
