"""The oldest Redis and an older PostgreSQL that zik serves, from the system's packages, with a real history (S13)."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drain.test_real_history import PLAYS, SONGS, USERS, assert_done, publish, rows
from tests.support.processes import eventually, running_worker
from tests.support.servers import Valkey, own_valkey
from worker.database.engine import opened_engine
from worker.operations.doctor import examine
from worker.settings import load_settings
from worker.statistics.listen_rule import ListenRule
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify
from worker.stream.consumer import EventStream

REDIS = shutil.which("redis-server")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")

pytestmark = [
    pytest.mark.full,
    pytest.mark.data,
    pytest.mark.skipif(REDIS is None, reason="needs redis-server (Debian: apt-get install redis-server)"),
    pytest.mark.skipif(not POSTGRES_15.is_dir(), reason="needs PostgreSQL 15 (Debian: apt-get install postgresql-15)"),
]


@pytest.fixture
def redis_7(tmp_path: Path) -> Iterator[Valkey]:
    with own_valkey(tmp_path / "redis", program=str(REDIS)) as server:
        yield server


@pytest.fixture
def postgres_15() -> Iterator[str]:
    """The URL of an empty PostgreSQL 15, with the encoding that initdb chooses unless it is told."""
    with tempfile.TemporaryDirectory(prefix="zik-postgres-15-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        data, log = folder / "data", folder / "log"
        _as_postgres("initdb", "-D", str(data), "-U", "postgres", "-E", "UTF8", "--no-sync")
        _as_postgres("pg_ctl", "-D", str(data), "-w", "-l", str(log), "-o", f"-h '' -k {folder}", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            _as_postgres("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")


def _as_postgres(program: str, *arguments: str) -> None:
    """PostgreSQL refuses to be root."""
    user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*user, str(POSTGRES_15 / program), *arguments]
    # Not a pipe: the server would hold it open.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


def test_s13_redis_7_and_postgresql_15_record_a_real_history(
    redis_7: Valkey, postgres_15: str, shared_data: Path, tmp_path: Path
) -> None:
    settings = load_settings(database_url=postgres_15)
    with EventStream.opened(redis_7.url) as stream, opened_engine(settings.database_url) as engine:
        publish(stream, shared_data)
        with running_worker(redis_url=redis_7.url, database_url=postgres_15, folder=tmp_path, slots=2) as worker:
            eventually(lambda: stream.books().waiting == 0, within_s=120, told=lambda: worker.log[-5_000:])
            worker.stop()
        assert_done(stream.books(), rounds=1)
        assert rows(engine) == (PLAYS, SONGS, USERS, 0)
        rule = ListenRule.configured(settings)
        refresh(engine, rule)
        assert verify(engine, rule).exact
        found = {finding.subject: finding for finding in examine(stream, engine)}
    assert found["Redis version"].found.startswith("Redis 7.0")
    assert found["Database"].found.startswith("PostgreSQL 15")
    assert {subject for subject, finding in found.items() if not finding.well} <= {"Drains", "Statistics"}
