"""Clients of each kind behind one blocking face, so that one test speaks for all of them."""

import asyncio
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import redis

from worker.client import AsyncClient, Client
from worker.stream.keys import FIELD, STREAM

# A kind, and whether its calls return before the event is sent.
KINDS: Final = {"client": False, "sync client": True, "async client": False, "sync async client": True}

ALL: Final = pytest.mark.parametrize("kind", KINDS)
SYNC: Final = pytest.mark.parametrize("kind", [kind for kind, sync in KINDS.items() if sync])
THREADED: Final = pytest.mark.parametrize("kind", [kind for kind, sync in KINDS.items() if not sync])

NOWHERE: Final = "redis://127.0.0.1:1/0"
# Long enough for the most loaded of machines.
KEPT_S: Final = 30.0


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


@contextmanager
def opened(kind: str, url: str, **options: Any) -> Iterator[Any]:
    made: type[Client | AsyncClient] = AsyncClient if "async" in kind.split() else Client
    with asyncio.Runner() as runner:
        client = Blocking(made(url, sync=KINDS[kind], **options), runner)
        try:
            yield client
        finally:
            client.close()


class Heard:
    """An `on_error` that remembers."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __call__(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def kinds(self) -> list[type[Exception]]:
        return [type(error) for error in self.errors]


def quiet(_: Exception) -> None:
    """An `on_error` for a Redis that is away on purpose."""


def values(valkey: "redis.Redis") -> list[Any]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def taken(valkey: "redis.Redis") -> list[Any]:
    """As workers do: what is read is gone."""
    transaction = valkey.pipeline(transaction=True)
    transaction.xrange(STREAM)
    transaction.delete(STREAM)
    entries, _ = transaction.execute()
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def say(client: Any, value: object) -> str:
    told: str = client.preference(user="ada", key="n", value=value)
    return told
