from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Queue

from worker.celery.transport import use_filtering_transports


@pytest.mark.parametrize("end", ["ack", "reject", "requeue"])
def test_a_refused_acknowledgement_frees_its_prefetch_slot(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """A worker with such messages in all its slots never read from Redis again."""
    use_filtering_transports()
    received: list[Any] = []
    with Connection(redis_url) as connection:
        channel: Any = connection.channel()
        channel.basic_qos(0, 1, False)  # noqa: FBT003 -- kombu's signature
        connection.Producer(channel).publish({}, exchange="", routing_key="q", declare=[Queue("q")])
        with Consumer(channel, [Queue("q")], callbacks=[lambda _, message: received.append(message)]):
            connection.drain_events(timeout=5)
        assert not channel.qos.can_consume()

        def away(*_: object, **__: object) -> None:
            raise redis.AuthenticationError("invalid username-password pair")

        monkeypatch.setattr(channel.qos, "_remove_from_indices", away)
        with pytest.raises(redis.AuthenticationError):
            getattr(received[0], end)()
        assert channel.qos.can_consume()
