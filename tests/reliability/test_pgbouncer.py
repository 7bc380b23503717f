"""zik behind a transaction pooler, which hands each transaction to whichever server process is free (F36)."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support import oracle
from tests.support.load import Load
from tests.support.processes import eventually, running_worker, url_of
from tests.support.servers import own_postgres
from worker.database.engine import open_engine, transaction
from worker.database.schema import BootstrapOutcome, bring_up_schema
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError
from worker.local.valkey import free_port
from worker.stream.consumer import EventStream

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer, which no wheel has"),
]
_CONFIG = """\
[databases]
* = host={socket} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@pytest.fixture
def pooled() -> Iterator[Engine]:
    """An empty database, seen through two server connections that many clients share."""
    with own_postgres() as postgres, tempfile.TemporaryDirectory(prefix="zik-pgbouncer-") as name:
        folder = Path(name)
        # Not pytest's folder: pgbouncer refuses to be root, and nobody else may look in there.
        folder.chmod(0o755)
        port = free_port()
        config = folder / "pgbouncer.ini"
        config.write_text(_CONFIG.format(socket=postgres.socket.parent, port=port))
        user = ["-u", postgres.socket.owner()] if os.geteuid() == 0 else []
        process = subprocess.Popen([str(PGBOUNCER), "-q", *user, str(config)])
        engine = open_engine(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
        try:
            eventually(lambda: _answers(engine), within_s=20)
            yield engine
        finally:
            engine.dispose()
            process.kill()
            process.wait()


def _answers(engine: Engine) -> bool:
    with suppress(DatabaseUnavailableError), transaction(engine) as session:
        return bool(session.scalar(text("SELECT 1")))
    return False


def test_f36_many_bootstraps_at_once_make_one_schema(pooled: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = [made.outcome for made in pool.map(lambda _: bring_up_schema(pooled), range(4))]
    assert sorted(outcomes) == [BootstrapOutcome.CREATED, *[BootstrapOutcome.UNCHANGED] * 3]


def test_f36_drains_on_shared_connections_record_everything_once(pooled: Engine, redis_url: str) -> None:
    bring_up_schema(pooled)
    load = Load(36).take(3_000)
    streams = [EventStream.at(redis_url) for _ in range(4)]
    streams[0].append(load)
    engines = [open_engine(url_of(pooled)) for _ in streams]
    drains = [
        Drain(stream, engine, f"consumer {number}", batch_size=50)
        for number, (stream, engine) in enumerate(zip(streams, engines, strict=True))
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda drain: drain.run(), drains))
    oracle.check(load, streams[0], pooled)
    for stream, engine in zip(streams, engines, strict=True):
        stream.close()
        engine.dispose()


def test_f36_a_worker_records_everything_through_a_pooler(
    pooled: Engine, redis_url: str, stream: EventStream, tmp_path: Path
) -> None:
    load = Load(37).take(2_000)
    with running_worker(redis_url=redis_url, database_url=url_of(pooled), folder=tmp_path, slots=2) as worker:
        stream.append(load)
        eventually(lambda: stream.books().waiting == 0, within_s=60, told=lambda: worker.log[-5_000:])
        worker.stop()
    oracle.check(load, stream, pooled)
