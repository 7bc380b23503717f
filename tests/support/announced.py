"""What is announced to open pages, heard as a process of `zik serve` hears it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.support.processes import eventually
from worker.stream.changes import users_of
from worker.stream.keys import CHANGED


class Ear:
    """`heard` has the users of each announcement so far, in order; None is everyone."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub
        self.heard: list[list[str] | None] = []

    def listen(self) -> list[list[str] | None]:
        """What was announced since the last call, and at least once: waits for it."""
        begin = len(self.heard)

        def has_heard() -> bool:
            while message := self._pubsub.get_message(ignore_subscribe_messages=True):
                users = users_of(message["data"].decode())
                self.heard.append(None if users is None else sorted(users))
            return len(self.heard) > begin

        eventually(has_heard, within_s=5)
        return self.heard[begin:]


@contextmanager
def listening(redis_url: str) -> Iterator[Ear]:
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as pubsub:
        pubsub.subscribe(CHANGED)
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"
        yield Ear(pubsub)
