"""A worker, its Redis and its PostgreSQL, used by nobody else, whose every log line is searched for secrets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from tests.support import oracle
from tests.support.load import Load
from tests.support.processes import ROOT, Process, eventually, running_worker
from tests.support.servers import Postgres, Valkey, own_postgres, own_valkey
from worker.database.engine import open_engine
from worker.database.schema import bring_up_schema
from worker.errors import StreamUnavailableError
from worker.stream.consumer import EventStream

REDIS_PASSWORD: Final = "pw-canary-redis"  # noqa: S105 -- a canary
POSTGRES_PASSWORD: Final = "pw-canary-postgres"  # noqa: S105 -- a canary
LISTENING: Final = "listening-canary "
SECRETS: Final = (REDIS_PASSWORD, POSTGRES_PASSWORD, LISTENING.strip())
ROLES: Final = ROOT / "docs" / "postgresql-roles.sql"
BACK_S: Final = 30.0


class Rig:
    """What is published here is remembered, so that `settle` can ask the oracle at any time."""

    def __init__(self, valkey: Valkey, postgres: Postgres, engine: Engine, worker: Process) -> None:
        self.valkey, self.postgres, self.engine, self.worker = valkey, postgres, engine, worker
        self.stream = EventStream.at(valkey.url)
        self._load = Load(11, canary=LISTENING)
        self.published: list[bytes] = []
        self.received = 0

    def publish(self, number: int) -> None:
        payloads = self._load.take(number)
        self.stream.append(payloads)
        self.published += payloads
        self.received += number

    def waiting(self) -> int:
        return self.stream.books().waiting

    def redis_was_emptied(self) -> None:
        """Its books begin anew."""
        self.received = 0

    def dry(self) -> bool:
        try:
            return self.waiting() == 0
        except StreamUnavailableError:
            return False

    def settle(self, *, within_s: float = BACK_S) -> None:
        """Wait until the worker has recorded everything by itself, then ask the oracle and search the log."""
        eventually(self.dry, within_s=within_s, every_s=0.05, told=lambda: self.worker.log[-5_000:])
        wanted, found = oracle.expected(self.published), oracle.actual(self.engine)
        assert found == wanted
        books = self.stream.books()
        assert (books.received, books.waiting, books.pending, books.unaccounted) == (self.received, 0, 0, 0)
        assert self.worker.alive
        assert "Unrecoverable error" not in self.worker.log
        self.keeps_its_secrets()

    def keeps_its_secrets(self) -> None:
        log = self.worker.log
        assert [secret for secret in SECRETS if secret in log] == []

    def disconnect(self) -> None:
        """End every connection of zik to the database, as a pooler or a failover does."""
        self.postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'zik_worker'")

    @contextmanager
    def quiet(self, *, lines_per_s: float = 4.0) -> Iterator[None]:
        """However the block goes for the worker, it must not fill the log."""
        began, before = time.monotonic(), self.worker.log.count("\n")
        yield
        lines = self.worker.log.count("\n") - before
        # Of a lost connection Celery tells a page or two, once.
        assert lines <= 150 + lines_per_s * (time.monotonic() - began), self.worker.log[-8_000:]


@contextmanager
def open_rig(folder: Path, *, slots: int = 2) -> Iterator[Rig]:
    """The worker has a role without DDL, and both URLs hold a password to look for."""
    with own_valkey(folder / "valkey", password=REDIS_PASSWORD) as valkey, own_postgres() as postgres:
        make_database(postgres)
        url = postgres.url("zik", user="zik_worker", password=POSTGRES_PASSWORD)
        engine = open_engine(postgres.url("zik"))
        with running_worker(redis_url=valkey.url, database_url=url, folder=folder, slots=slots) as worker:
            rig = Rig(valkey, postgres, engine, worker)
            try:
                yield rig
            finally:
                rig.stream.close()
                engine.dispose()


def make_database(postgres: Postgres, name: str = "zik") -> None:
    """A database with zik's roles and zik's schema."""
    postgres.run(f"CREATE DATABASE {name}")
    postgres.run(ROLES.read_text(), database=name)
    owner = open_engine(postgres.url(name, user="zik_owner"))
    bring_up_schema(owner)
    owner.dispose()
