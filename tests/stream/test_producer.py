from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
import redis

from tests.support.events import play_payload, play_payloads
from tests.support.proxy import Proxy
from tests.support.servers import own_valkey
from worker.errors import StreamFullError, StreamMisusedError, StreamUnavailableError
from worker.stream import producer as module
from worker.stream.keys import FIELD, STREAM
from worker.stream.producer import Producer
from worker.stream.transport import Appended


def entries(valkey: "redis.Redis") -> list[tuple[str, bytes]]:
    found: Any = valkey.xrange(STREAM)
    return [(entry_id.decode(), fields[FIELD]) for entry_id, fields in found]


def test_events_are_added_in_order_and_as_they_are(redis_url: str, valkey: "redis.Redis") -> None:
    # Line ends and lengths of the protocol's own must not matter within a payload.
    payloads = [*play_payloads(300), b"", b"\r\n$3\r\n", "ü".encode(), b"x" * 16_384]
    producer = Producer.at(redis_url)
    done = producer.append(payloads, counted=True)
    assert entries(valkey) == list(zip(done.entry_ids, payloads, strict=True))
    assert done.waiting == producer.waiting() == len(payloads)
    producer.close()


def test_an_uncounted_append_returns_no_number_of_waiting_events(redis_url: str) -> None:
    producer = Producer.at(redis_url)
    assert producer.append([play_payload()]).waiting is None
    assert producer.append([]) == Appended([], None)
    producer.close()


def test_an_error_among_the_replies_leaves_the_next_ones_intact(redis_url: str, valkey: "redis.Redis") -> None:
    producer = Producer.at(redis_url)
    valkey.set(STREAM, "something else")
    with pytest.raises(StreamMisusedError, match="is not a stream: rename it"):
        producer.append(play_payloads(3), counted=True)
    valkey.delete(STREAM)
    done = producer.append(play_payloads(2), counted=True)
    assert [entry_id for entry_id, _ in entries(valkey)] == done.entry_ids
    producer.close()


def test_an_error_of_an_append_does_not_quote_the_event(redis_url: str, valkey: "redis.Redis") -> None:
    producer = Producer.at(redis_url)
    valkey.config_set("maxmemory", 1)
    try:
        with pytest.raises(StreamFullError) as caught:
            producer.append([play_payload("a secret song")])
    finally:
        valkey.config_set("maxmemory", 0)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__}"
    producer.close()


def test_a_server_that_knows_no_streams_does_not_quote_the_event(tmp_path: Path) -> None:
    with own_valkey(tmp_path, more="rename-command XADD other\n") as valkey:
        producer = Producer.at(valkey.url)
        payload = play_payload("a secret song")
        with pytest.raises(StreamUnavailableError, match="unknown command 'XADD': REDIS_URL must be") as caught:
            producer.append([payload])
        assert "secret" not in "".join(format_exception(caught.value))
        producer.close()


def test_after_an_interrupt_a_late_reply_is_not_mistaken(
    proxy: Proxy, valkey: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    producer = Producer.at(f"redis://127.0.0.1:{proxy.port}/0")
    producer.append([play_payload("first")])
    proxy.delay_s = 0.5
    with monkeypatch.context() as patch:
        patch.setattr(module, "_reply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            producer.append([play_payload("second")])
    proxy.delay_s = 0
    (told,) = producer.append([play_payload("third")]).entry_ids
    assert dict(entries(valkey))[told] == play_payload("third")
    producer.close()
