"""Clients of every kind behind one blocking interface, so that one test covers all kinds."""

import asyncio
import inspect
import json
import multiprocessing
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import redis

from tests.support.processes import ROOT
from worker.client import AsyncClient, Client
from worker.stream.keys import FIELD, STREAM

# The kind, and whether its calls wait until the event is sent.
KINDS: Final = {"client": False, "sync client": True, "async client": False, "sync async client": True}

ALL: Final = pytest.mark.parametrize("kind", KINDS)
SYNC: Final = pytest.mark.parametrize("kind", [kind for kind, sync in KINDS.items() if sync])
THREADED: Final = pytest.mark.parametrize("kind", [kind for kind, sync in KINDS.items() if not sync])

UNREACHABLE: Final = "redis://127.0.0.1:1/0"
# Long enough for a heavily loaded machine.
TIMEOUT_S: Final = 30.0


class Blocking:
    """Runs each coroutine of an async client to its end."""

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
def opened_client(kind: str, url: str, **options: Any) -> Iterator[Any]:
    client_type: type[Client | AsyncClient] = AsyncClient if "async" in kind.split() else Client
    with asyncio.Runner() as runner:
        client = Blocking(client_type(url, sync=KINDS[kind], **options), runner)
        try:
            yield client
        finally:
            client.close()


class ErrorRecorder:
    """An `on_error` that records what it is called with."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __call__(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def types(self) -> list[type[Exception]]:
        return [type(error) for error in self.errors]


def ignore_error(_: Exception) -> None:
    """An `on_error` for a Redis that is unreachable on purpose."""


def published_values(valkey: "redis.Redis") -> list[Any]:
    entries: Any = valkey.xrange(STREAM)
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def take_values(valkey: "redis.Redis") -> list[Any]:
    """Read and delete all entries at once, like a worker."""
    transaction = valkey.pipeline(transaction=True)
    transaction.xrange(STREAM)
    transaction.delete(STREAM)
    entries, _ = transaction.execute()
    return [json.loads(fields[FIELD])["value"] for _, fields in entries]


def publish_value(client: Any, value: object) -> str:
    event_id: str = client.preference(user="ada", key="n", value=value)
    return event_id


def told(error: BaseException) -> str:
    """All that a traceback prints of an error and its causes."""
    return "".join(traceback.format_exception(error))


def forked(work: Callable[[], None]) -> None:
    """Run `work` in a forked child, and check that it succeeds."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    assert child.exitcode == 0


def python(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
