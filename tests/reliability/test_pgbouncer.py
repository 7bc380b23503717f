"""zik behind a transaction pooler, which hands each transaction to whichever server process is free (F36)."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from tests.support import oracle
from tests.support.events import play_payloads
from tests.support.load import Load
from tests.support.processes import eventually, running_worker, url_of
from tests.support.servers import Postgres, own_postgres
from worker.database.engine import open_engine, opened_engine, transaction
from worker.database.schema import BootstrapOutcome, bring_up_schema
from worker.drain.drain import Drain
from worker.errors import DatabaseMisusedError, DatabaseUnavailableError
from worker.local.valkey import free_port
from worker.operations.doctor.database import database_findings
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
pool_mode = {mode}
default_pool_size = 2
"""


@contextmanager
def _pgbouncer(postgres: Postgres, *, mode: str) -> Iterator[str]:
    """The URL of a pgbouncer in front of the server, with two connections to it."""
    with tempfile.TemporaryDirectory(prefix="zik-pgbouncer-") as name:
        folder = Path(name)
        # Not pytest's folder: pgbouncer refuses to be root, and nobody else may look in there.
        folder.chmod(0o755)
        port = free_port()
        config = folder / "pgbouncer.ini"
        config.write_text(_CONFIG.format(socket=postgres.socket.parent, port=port, mode=mode))
        user = ["-u", postgres.socket.owner()] if os.geteuid() == 0 else []
        process = subprocess.Popen([str(PGBOUNCER), "-q", *user, str(config)])
        try:
            eventually(lambda: _listens(port), within_s=20)
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def server() -> Iterator[Postgres]:
    with own_postgres() as postgres:
        yield postgres


@pytest.fixture
def pooled(server: Postgres) -> Iterator[Engine]:
    """An empty database, seen through two server connections that many clients share."""
    with _pgbouncer(server, mode="transaction") as url, opened_engine(url) as engine:
        eventually(lambda: _answers(engine), within_s=20)
        yield engine


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


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


def test_s1_what_a_pooled_session_brings_along_changes_nothing(server: Postgres, stream: EventStream) -> None:
    """What the database sets, and what another client has set: pgbouncer follows only a few settings of each client."""
    server.run("ALTER DATABASE postgres SET DateStyle TO 'German'", "ALTER ROLE postgres SET client_encoding TO LATIN1")
    load = Load(38, canary="Łódź 夜").take(1_000)
    with _pgbouncer(server, mode="transaction") as url, opened_engine(url) as engine:
        bring_up_schema(engine)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True, prepare_threshold=None) as other:
            for setting in ("IntervalStyle = sql_standard", "bytea_output = escape", "DateStyle = 'SQL, DMY'"):
                for _ in range(8):
                    other.execute(f"SET {setting}".encode())
        for part in (load[:500], load[500:]):
            stream.append(part)
            Drain(stream, engine, "a", batch_size=50).run()
        oracle.check(load, stream, engine)


def test_s13_a_pooler_of_statements_is_refused_in_one_line(server: Postgres, stream: EventStream) -> None:
    stream.append(play_payloads(3))
    with _pgbouncer(server, mode="statement") as url, opened_engine(url) as engine:
        with pytest.raises(DatabaseMisusedError, match="pool_mode = transaction") as caught:
            bring_up_schema(engine)
        assert "\n" not in str(caught.value)
        with pytest.raises(DatabaseMisusedError):
            Drain(stream, engine, "a").run()
        assert (stream.books().waiting, stream.books().dead) == (3, 0)
        (finding,) = database_findings(engine)
        assert finding.advice == "set `pool_mode = transaction` in pgbouncer"
