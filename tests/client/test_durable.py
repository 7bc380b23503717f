"""With `durable` an event counts as sent only when Redis has it on its disk."""

from pathlib import Path

import pytest

from tests.support.clients import (
    ALL,
    THREADED,
    TIMEOUT_S,
    ErrorRecorder,
    opened_client,
    publish_value,
    published_values,
)
from tests.support.servers import own_valkey
from worker.client import Client
from worker.errors import NotDurableError


@ALL
def test_a_durable_event_is_on_redis_disk_when_it_is_called_sent(kind: str, tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey, opened_client(kind, valkey.url, durable=True) as client:
        publish_value(client, 1)
        assert client.flush(TIMEOUT_S)
        valkey.kill()
        valkey.start()
        with valkey.client() as connection:
            assert published_values(connection) == [1]


def test_each_durable_batch_waits_for_the_disk(tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey, valkey.client() as connection:
        with Client(valkey.url, durable=True, sync=True) as client:
            publish_value(client, 1)
        assert connection.info("commandstats")["cmdstat_waitaof"]["calls"] == 1


def test_durable_is_refused_without_an_append_only_file(redis_url: str) -> None:
    with Client(redis_url, durable=True, sync=True) as client, pytest.raises(NotDurableError, match="appendonly yes"):
        publish_value(client, 1)


def test_durable_is_refused_by_a_server_without_waitaof(tmp_path: Path) -> None:
    with own_valkey(tmp_path, more='rename-command WAITAOF ""') as valkey:
        client = Client(valkey.url, durable=True, sync=True)
        with client, pytest.raises(NotDurableError, match=r"7\.2"):
            publish_value(client, 1)


@THREADED
def test_a_failed_durable_send_keeps_the_event_and_is_reported(
    kind: str, redis_url: str, recorder: ErrorRecorder
) -> None:
    with opened_client(kind, redis_url, durable=True, on_error=recorder, flush_at=1) as client:
        publish_value(client, 1)
        assert not client.flush(0.5)
        assert recorder.types == [NotDurableError]
        assert client.counters.sent == 0
        client.close(timeout_s=0)
