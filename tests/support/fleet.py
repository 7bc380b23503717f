"""A fleet of zik through an upgrade: servers, processes of two releases, and a publisher that never stops."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from tests.support import oracle
from tests.support.processes import ROOT, Process, count, eventually, running, running_worker
from tests.support.rig import ROLES
from tests.support.rollup_rows import RULE, assert_exact
from tests.support.servers import Postgres, Valkey, own_postgres, own_valkey
from tests.support.year_of_listening import Listening
from worker.database.engine import open_engine, snapshot
from worker.database.schema import current_revision
from worker.statistics.charts import refresh_charts
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify
from worker.stream.consumer import EventStream

_DRY_S: Final = 90.0
_STEP: Final = 20


class Fleet:
    """Workers have a role without DDL; `init` runs as the owner. What is published is remembered for the oracle."""

    def __init__(self, folder: Path, old: Path, valkey: Valkey, postgres: Postgres) -> None:
        self._folder, self._old, self.redis_url = folder, old, valkey.url
        self._owner_url = postgres.url("zik", user="zik_owner")
        self._worker_url = postgres.url("zik", user="zik_worker")
        self.engine = open_engine(postgres.url("zik"))
        self.stream = EventStream.at(valkey.url)
        self.published: list[bytes] = []
        self._listening = Listening(7)

    def close(self) -> None:
        self.stream.close()
        self.engine.dispose()

    def worker(self, name: str, *, old: bool = False, ready: bool = True) -> AbstractContextManager[Process]:
        folder = self._folder / name
        folder.mkdir()
        return running_worker(
            redis_url=self.redis_url,
            database_url=self._worker_url,
            folder=folder,
            slots=2,
            ready=ready,
            PYTHONPATH=str(self._old if old else ROOT),
            # Few events in a batch, so that there are many.
            ZIK_BATCH_SIZE="50",
        )

    def beat(self, *, old: bool = False) -> AbstractContextManager[Process]:
        folder = self._folder / f"beat-{'old' if old else 'new'}"
        folder.mkdir()
        return running(
            ["celery", "-A", "worker", "beat", "-l", "INFO"],
            folder=folder,
            REDIS_URL=self.redis_url,
            DATABASE_URL=self._worker_url,
            PYTHONPATH=str(self._old if old else ROOT),
        )

    def init(self, *, old: bool = False) -> str:
        """What `zik init` said."""
        return self._as_owner(["worker", "init"], self._folder, self._old if old else ROOT)

    def revision(self) -> str | None:
        with snapshot(self.engine) as session:
            return current_revision(session.connection())

    def downgrade(self) -> None:
        """As MIGRATIONS.md has it."""
        self._as_owner(["alembic", "downgrade", "0008"], ROOT, ROOT)

    def _as_owner(self, module: list[str], folder: Path, release: Path) -> str:
        environment = {"PATH": "", "HOME": str(self._folder), "PYTHONPATH": str(release)}
        done = subprocess.run(
            [sys.executable, "-m", *module],
            cwd=folder,
            env=environment | {"DATABASE_URL": self._owner_url, "REDIS_URL": self.redis_url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, number: int) -> None:
        payloads = self._listening.take(number)
        self.stream.append(payloads)
        self.published += payloads

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Some hundred events a second meanwhile, by a thread that keeps nobody waiting."""
        enough, trouble = threading.Event(), list[Exception]()

        def publish_on() -> None:
            try:
                while not enough.wait(0.05):
                    self.publish(_STEP)
            except Exception as error:  # noqa: BLE001 -- told by the thread that waits
                trouble.append(error)

        thread = threading.Thread(target=publish_on)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()
        assert trouble == []

    def goes_on(self, number: int = 300) -> None:
        """Wait until so many more events have been recorded, or recognised."""
        target = self._accounted() + number
        eventually(lambda: self._accounted() >= target, within_s=_DRY_S, told=self.stream.books)

    def _accounted(self) -> int:
        books = self.stream.books()
        return books.received - books.waiting

    def settle(self) -> None:
        """Wait until the stream is dry, then ask the oracle; no event of ours is bad, so none may be dead."""
        eventually(lambda: self.stream.books().waiting == 0, within_s=_DRY_S, told=self.stream.books)
        oracle.check(self.published, self.stream, self.engine)
        assert count(self.engine, "dead_letters") == 0


@contextmanager
def open_fleet(folder: Path, old: Path) -> Iterator[Fleet]:
    with own_valkey(folder / "valkey") as valkey, own_postgres() as postgres:
        postgres.run("CREATE DATABASE zik")
        postgres.run(ROLES.read_text(), database="zik")
        fleet = Fleet(folder, old, valkey, postgres)
        try:
            assert "schema 0008" in fleet.init(old=True)
            yield fleet
        finally:
            fleet.close()


def assert_statistics(engine: Engine) -> None:
    """After one sweep of this release everything equals a recount: rollups, charts, artists and albums."""
    refresh(engine, RULE)
    refresh_charts(engine, today=datetime.now(UTC).date(), closed=True)
    assert count(engine, "stale_days") == count(engine, "stale_histories") == count(engine, "stale_charts") == 0
    assert_exact(engine)
    verdict = verify(engine, RULE)
    assert verdict.differences == []
    assert verdict.users > 0
    assert verdict.charts > 0
