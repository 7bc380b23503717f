"""`ZIK_REMOTE_CONTROL=1`: a worker answers `celery inspect` and `celery control`, and Flower sees it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import pytest
import redis
from celery import Celery

from tests.support.events import play_payload
from tests.support.processes import ROOT, Process, eventually, running_worker
from tests.support.servers import own_valkey
from worker.celery.names import MAINTENANCE, RECORD_QUEUE
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM

ACL: Final = ROOT / "docs" / "redis.acl"
REPLY_S: Final = 10.0


class Controlled(NamedTuple):
    """A worker with remote control, whose broker login is the ACL's user `control`, and a client outside of zik."""

    worker: Process
    admin: "redis.Redis"
    client: Celery
    stream: EventStream

    def ask(self, command: str) -> Any:
        """The one worker's reply to `celery inspect COMMAND`."""
        replies = self.client.control.broadcast(command, reply=True, limit=1, timeout=REPLY_S)
        assert replies, self.worker.log
        (reply,) = replies[0].values()
        return reply

    def refused(self) -> list[Any]:
        return [entry for entry in self.admin.acl_log() if entry["username"] in {"control", "worker"}]


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    folder = tmp_path_factory.mktemp("controlled")
    users = folder / "users.acl"
    users.write_text(f"{ACL.read_text()}user admin on >look allcommands allkeys allchannels\n")
    with own_valkey(folder, password="look", users=users) as valkey, valkey.client() as admin:  # noqa: S106 -- of this test
        broker = valkey.url_of("control", "change-me-control")
        stream = EventStream.at(valkey.url)
        client = Celery("outside", broker=broker, set_as_current=False)
        with running_worker(
            redis_url=valkey.url_of("worker", "change-me-worker"),
            database_url=f"sqlite:///{folder / 'zik.db'}",
            folder=folder,
            slots=2,
            CELERY_BROKER_URL=broker,
            ZIK_REMOTE_CONTROL="1",
        ) as worker:
            yield Controlled(worker, admin, client, stream)
            worker.stop()
        client.close()
        stream.close()


def test_inspect_answers_when_remote_control_is_on(controlled: Controlled) -> None:
    assert controlled.ask("ping") == {"ok": "pong"}
    assert MAINTENANCE in controlled.ask("registered")
    assert RECORD_QUEUE in {queue["name"] for queue in controlled.ask("active_queues")}
    assert controlled.ask("stats")["pool"]["max-concurrency"] == 2


@pytest.mark.parametrize("command", ["conf", "stats", "report", "active", "reserved", "active_queues"])
def test_no_reply_to_inspect_shows_a_password(controlled: Controlled, command: str) -> None:
    assert "change-me" not in str(controlled.ask(command))


def test_control_changes_the_pool(controlled: Controlled) -> None:
    def processes() -> int:
        return len(controlled.ask("stats")["pool"]["processes"])

    controlled.ask("pool_grow")
    eventually(lambda: processes() == 3, within_s=REPLY_S, every_s=0.2)
    controlled.ask("pool_shrink")
    eventually(lambda: processes() == 2, within_s=REPLY_S, every_s=0.2)


def test_flower_sees_heartbeats_and_the_tasks_it_asks_for(controlled: Controlled) -> None:
    assert "ok" in controlled.ask("enable_events")
    seen: set[str] = set()

    def enough() -> bool:
        with controlled.client.connection() as connection:
            handlers = {"*": lambda event: seen.add(event["type"])}
            receiver = controlled.client.events.Receiver(connection, handlers=handlers)
            with suppress(TimeoutError):
                receiver.capture(limit=5, timeout=REPLY_S)
        return {"worker-heartbeat", "task-received", "task-succeeded"} <= seen

    eventually(enough, within_s=30, told=lambda: seen)


@pytest.mark.parametrize("broadcast", [b"[1]", b'"text"', b"{}", b'{"body": 1}', b"\xff", b"[" * 100_000], ids=range(6))
def test_a_forged_broadcast_does_not_stop_the_worker(controlled: Controlled, broadcast: bytes) -> None:
    """It reaches every worker at once, so it would stop them all."""
    controlled.admin.publish("/0.celery.pidbox", broadcast)
    assert controlled.ask("ping") == {"ok": "pong"}
    assert controlled.worker.alive


def test_remote_control_brings_neither_gossip_nor_mingle(controlled: Controlled) -> None:
    assert "mingle" not in controlled.worker.log
    # A subscriber to events would be gossip. kombu subscribes to patterns: the one is for remote control.
    assert controlled.admin.pubsub_numpat() == 1
    assert controlled.admin.pubsub_channels("*celeryev*") == []


def test_a_worker_with_remote_control_records_within_its_acl(controlled: Controlled) -> None:
    controlled.admin.acl_log_reset()
    controlled.admin.xadd(STREAM, {FIELD: play_payload("controlled")})
    eventually(lambda: controlled.stream.books().waiting == 0, within_s=20, told=lambda: controlled.worker.log)
    controlled.ask("ping")
    # kombu refreshes the bindings of its queues every few seconds.
    time.sleep(3)
    assert controlled.refused() == []
    assert "NOPERM" not in controlled.worker.log
    assert "no permissions" not in controlled.worker.log
    assert "change-me" not in controlled.worker.log
