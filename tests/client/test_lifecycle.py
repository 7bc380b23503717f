"""Players that exit, fork, or share an outbox lose no event and send none twice."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.clients import TIMEOUT_S, UNREACHABLE, forked, ignore_error, publish_value, published_values, python
from worker.client import AsyncClient, Client
from worker.client.lifecycle import EXIT_BUDGET_S
from worker.client.outbox import Outbox
from worker.errors import SettingsError
from worker.stream.producer import Producer
from worker.testing import MemoryClient

# Python 3.12 and later warn about a fork with threads running, which these tests do on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

_PUBLISHER = """
import sys
from worker.client import AsyncClient, Client
url, path, who, number = sys.argv[1:]
with Client(url, outbox=path) as client:
    for step in range(int(number)):
        client.preference(user="ada", key="n", value=[who, step])
    assert client.flush(60)
"""


def test_processes_may_share_an_outbox_and_each_keeps_its_order(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    publishers = [python(_PUBLISHER, redis_url, path, number, 300) for number in range(3)]
    for publisher in publishers:
        output, _ = publisher.communicate(timeout=100)
        assert publisher.returncode == 0, output
    found = published_values(valkey)
    assert len(found) == 900
    assert all([step for who, step in found if who == str(number)] == list(range(300)) for number in range(3))


def test_an_outbox_has_one_reader_until_that_one_closes(path: Path) -> None:
    first, second = Outbox(path, max_events=9), Outbox(path, max_events=9)
    first.append([b"{}"])
    assert first.peek(9) is not None
    assert second.peek(9) is None
    first.close()
    assert second.peek(9) is not None
    second.close()


_EXITS = """
import sys
from worker.client import AsyncClient, Client
client = Client(sys.argv[1], flush_interval_s=60)
client.preference(user="ada", key="n", value=1)
"""


def test_a_player_that_exits_without_close_has_sent_its_events(redis_url: str, valkey: "redis.Redis") -> None:
    player = python(_EXITS, redis_url)
    output, _ = player.communicate(timeout=60)
    assert (player.returncode, output) == (0, "")
    assert published_values(valkey) == [1]


def test_a_player_ends_within_its_budget_without_redis(path: Path) -> None:
    script = _EXITS.replace("sys.argv[1]", "sys.argv[1], outbox=sys.argv[2], on_error=lambda error: None")
    timed = f"import time, atexit\natexit.register(lambda: print(time.monotonic() - began))\n{script}"
    player = python(f"{timed}\nbegan = time.monotonic()", UNREACHABLE, path)
    output, _ = player.communicate(timeout=60)
    assert player.returncode == 0, output
    assert float(output) < EXIT_BUDGET_S + 5
    assert Outbox(path, max_events=9).count() == 1


_AS_ON_WINDOWS = """
import os, sys
sys.modules["fcntl"] = None
del os.fork, os.register_at_fork
"""


def test_without_flock_a_player_publishes_but_gets_no_outbox(path: Path, redis_url: str, valkey: "redis.Redis") -> None:
    refused = """
from worker.errors import OutboxError
try:
    Client(sys.argv[1], outbox=sys.argv[2])
except OutboxError as error:
    print(error)
"""
    player = python(_AS_ON_WINDOWS + _EXITS + refused, redis_url, path)
    output, _ = player.communicate(timeout=60)
    assert (player.returncode, "this system has no flock" in output) == (0, True), output
    assert str(path) in output
    assert published_values(valkey) == [1]
    assert not path.exists()


_OWN_SETTINGS = {
    "DATABASE_URL": "mysql://the/players/own",
    "REDIS_URL": "https://example.org",
    "CELERY_BROKER_URL": "amqp",
    "ZIK_BATCH_SIZE": "many",
}


@pytest.mark.parametrize("kind", [Client, AsyncClient, MemoryClient])
@pytest.mark.parametrize("source", ["environment", ".env"])
def test_a_player_may_have_settings_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Any], source: str
) -> None:
    if source == "environment":
        for variable, value in _OWN_SETTINGS.items():
            monkeypatch.setenv(variable, value)
    else:
        lines = "".join(f"{variable}={value}\n" for variable, value in _OWN_SETTINGS.items())
        (tmp_path / ".env").write_bytes(f"{lines}NAME=Bj\xf6rk\n".encode("latin-1"))
        monkeypatch.setattr("worker.settings.ENV_FILES", (tmp_path / ".env",))
    options: dict[str, Any] = {"max_waiting": None}
    client = kind(**options) if kind is MemoryClient else kind(UNREACHABLE, **options)
    closing = client.close()
    if inspect.iscoroutine(closing):
        asyncio.run(closing)


def test_a_wrong_max_waiting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIK_MAX_WAITING", "some")
    with pytest.raises(SettingsError, match="ZIK_MAX_WAITING"):
        Client(UNREACHABLE)


# --- fork ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_outbox", [False, True])
def test_a_forked_child_sends_only_its_own_events(
    path: Path, redis_url: str, valkey: "redis.Redis", *, with_outbox: bool
) -> None:
    with Client(redis_url, outbox=path if with_outbox else None, flush_interval_s=1) as client:
        publish_value(client, "first")
        assert client.flush(TIMEOUT_S)
        # Still unsent when the child begins.
        publish_value(client, "parent")

        def child() -> None:
            assert client.counters.sent == 0
            publish_value(client, "child")
            assert client.flush(TIMEOUT_S)
            client.close()

        forked(child)
        publish_value(client, "last")
        assert client.flush(TIMEOUT_S)
    assert sorted(published_values(valkey)) == ["child", "first", "last", "parent"]


def test_a_forked_child_may_use_the_transport_of_its_parent(redis_url: str, valkey: "redis.Redis") -> None:
    with Client(redis_url, transport=Producer.at(redis_url)) as client:
        publish_value(client, "first")
        assert client.flush(TIMEOUT_S)

        def child() -> None:
            publish_value(client, "child")
            assert client.flush(TIMEOUT_S)
            client.close()

        forked(child)
        publish_value(client, "last")
        assert client.flush(TIMEOUT_S)
    assert published_values(valkey) == ["first", "child", "last"]


def test_a_forked_child_does_not_take_over_its_parents_outbox(
    path: Path, redis_url: str, valkey: "redis.Redis"
) -> None:
    parent = Client(UNREACHABLE, outbox=path, on_error=ignore_error)
    publish_value(parent, 1)
    assert not parent.flush(1)

    def child() -> None:
        with Client(redis_url, outbox=path) as client:
            assert not client.flush(1)
            client.close(timeout_s=0)

    forked(child)
    # The child has exited, and its copy of the lock file with it. The parent still holds the lock.
    assert Outbox(path, max_events=9).peek(9) is None
    parent.close(timeout_s=0.2)
    with Client(redis_url, outbox=path) as successor:
        assert successor.flush(TIMEOUT_S)
    assert published_values(valkey) == [1]
