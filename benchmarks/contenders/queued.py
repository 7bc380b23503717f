"""Contenders that take their work from a Redis list: one task per event, celery-batches, and ListenBrainz's shape."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmarks.contenders import listens_consumer
from benchmarks.contenders.contender import Contender, Workload
from benchmarks.processes import ROOT, Program, await_that, running

# Their speed does not depend on how many events wait, and a minute a round would be wasted.
SINGLE_EVENTS: Final = 3_000
BATCHES_EVENTS: Final = 20_000
SINGLE_QUEUE: Final = "bench.single"
BATCHES_QUEUE: Final = "bench.batches"
_HELD: Final = "bench.held"
_POLL_S: Final = 0.02
# The last release refuses Celery 5.7.
_BATCHES_PACKAGES: Final = (
    "celery[redis]==5.6.*", "celery-batches==0.11", "psycopg[binary]>=3.3,<4", "uuid-utils", "msgspec", "pydantic",
)  # fmt: skip


@dataclass(frozen=True)
class _Queued:
    """A queue, who works on it, and how events are written for them."""

    queue: str
    commands: list[list[str]]
    ready: str
    messages: Callable[[list[bytes]], list[bytes]]
    most: int
    env: dict[str, str] = field(default_factory=dict)
    python: Callable[[], str] = lambda: sys.executable

    def run(self, workload: Workload) -> float:
        """Events per second from the release of the queue, by RENAME, to the commit of the last row."""
        servers, events = workload.servers, workload.payloads[: self.most]
        servers.clear()
        env = {
            "REDIS_URL": servers.redis_url,
            "DATABASE_URL": servers.postgres_uri,
            "PYTHONPATH": str(ROOT),
            **self.env,
        }
        program = Program(self.commands, self.ready, env, python=self.python())
        with servers.redis() as client, servers.postgres() as connection:
            client.rpush(_HELD, *self.messages(events))
            with running(program, folder=servers.folder / self.queue):
                time.sleep(1.0)
                began = time.perf_counter()
                client.rename(_HELD, self.queue)
                await_that(lambda: _stored(connection) >= len(events), within_s=300, every_s=_POLL_S)
                return len(events) / (time.perf_counter() - began)


def single(processes: int, prefetch: int) -> Contender:
    command = f"celery -A benchmarks.contenders.single_app worker -c {processes}"
    return Contender(
        name="one Celery task per event",
        command=command,
        settings=f"{processes} processes, prefetch {prefetch}",
        run=_Queued(
            queue=SINGLE_QUEUE,
            commands=[[*command.split(), "-l", "WARNING", "--without-gossip", "--without-mingle"]],
            ready=" ready.",
            messages=lambda events: [_celery_message("bench.record_play", SINGLE_QUEUE, event) for event in events],
            most=SINGLE_EVENTS,
            env={"BENCH_PREFETCH": str(prefetch)},
        ).run,
    )


def batches(processes: int, flush_every: int) -> Contender:
    command = f"celery -A benchmarks.contenders.batches_app worker -c {processes}"
    return Contender(
        name="celery-batches",
        command=command,
        settings=f"{processes} processes, {flush_every} a flush",
        run=_Queued(
            queue=BATCHES_QUEUE,
            commands=[[*command.split(), "-l", "WARNING", "--without-gossip", "--without-mingle"]],
            ready=" ready.",
            messages=lambda events: [_celery_message("bench.record_plays", BATCHES_QUEUE, event) for event in events],
            most=BATCHES_EVENTS,
            env={"BENCH_FLUSH_EVERY": str(flush_every)},
            python=_batches_python,
        ).run,
    )


def listens(consumers: int) -> Contender:
    return Contender(
        name="ListenBrainz's shape",
        command="python -m benchmarks.contenders.listens_consumer",
        settings=f"{consumers} consumer{'s' if consumers > 1 else ''}, 100 listens a message",
        run=_Queued(
            queue=listens_consumer.QUEUE,
            commands=[["benchmarks.contenders.listens_consumer"]] * consumers,
            ready="ready.",
            messages=_hundreds,
            most=10**9,
        ).run,
    )


def _stored(connection: Any) -> int:
    return int(connection.execute("SELECT count(*) FROM play_history").fetchone()[0])


def _hundreds(events: list[bytes]) -> list[bytes]:
    size = listens_consumer.LISTENS_A_MESSAGE
    return [b"[" + b",".join(events[start : start + size]) + b"]" for start in range(0, len(events), size)]


def _celery_message(task: str, queue: str, payload: bytes) -> bytes:
    """A message as Celery's Redis transport writes it (protocol 2). Publishing is not what is measured here."""
    task_id = str(uuid.uuid4())
    body = f'[[{payload.decode()}], {{}}, {{"callbacks": null, "errbacks": null, "chain": null, "chord": null}}]'
    headers: dict[str, Any] = {
        "lang": "py",
        "task": task,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
    }
    headers |= {"retries": 0, "timelimit": [None, None], "eta": None, "expires": None, "ignore_result": True}
    properties = {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    ).encode()


@cache
def _batches_python() -> str:
    """The Python of an environment with celery-batches and the Celery it takes, made once."""
    folder = Path(tempfile.gettempdir()) / "zik-benchmark-data" / "celery-batches-0.11"
    python = folder / "bin" / "python"
    if not python.exists():
        env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        uv = shutil.which("uv") or "uv"
        subprocess.run([uv, "venv", "-q", str(folder)], check=True, env=env)  # noqa: S603 -- our own words
        install = [uv, "pip", "install", "-q", "--python", str(python), *_BATCHES_PACKAGES]
        subprocess.run(install, check=True, env=env)  # noqa: S603 -- our own words
    return str(python)
