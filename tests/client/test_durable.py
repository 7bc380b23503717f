"""Events that count as sent only when Redis has them on its disk."""

from pathlib import Path

import pytest

from tests.support.clients import ALL, KEPT_S, THREADED, Heard, opened, say, values
from tests.support.servers import own_valkey
from worker.client import Client
from worker.errors import NotDurableError


@ALL
def test_a_durable_event_is_on_redis_disk_when_it_is_called_sent(kind: str, tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey, opened(kind, valkey.url, durable=True) as client:
        say(client, 1)
        assert client.flush(KEPT_S)
        valkey.kill()
        valkey.start()
        with valkey.client() as looking:
            assert values(looking) == [1]


def test_each_durable_batch_waits_for_the_disk(tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey, valkey.client() as looking:
        with Client(valkey.url, durable=True, sync=True) as client:
            say(client, 1)
        assert looking.info("commandstats")["cmdstat_waitaof"]["calls"] == 1


def test_durable_is_refused_where_redis_keeps_no_append_only_file(redis_url: str) -> None:
    with Client(redis_url, durable=True, sync=True) as client, pytest.raises(NotDurableError, match="appendonly yes"):
        say(client, 1)


def test_durable_is_refused_by_a_server_without_waitaof(tmp_path: Path) -> None:
    with own_valkey(tmp_path, more='rename-command WAITAOF ""') as valkey:
        client = Client(valkey.url, durable=True, sync=True)
        with client, pytest.raises(NotDurableError, match=r"7\.2"):
            say(client, 1)


@THREADED
def test_a_client_that_cannot_be_durable_keeps_the_event_and_says_so(kind: str, redis_url: str, heard: Heard) -> None:
    with opened(kind, redis_url, durable=True, on_error=heard, flush_at=1) as client:
        say(client, 1)
        assert not client.flush(0.5)
        assert heard.kinds == [NotDurableError]
        assert client.counters.sent == 0
        client.close(timeout_s=0)
