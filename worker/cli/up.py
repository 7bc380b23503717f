import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from worker.cli.terminal import console, errors, say
from worker.database.engine import opened_engine
from worker.database.schema import bring_up_schema
from worker.errors import OperatorError
from worker.local.process import LocalProcess
from worker.local.services import exclusive_folder, keep_running, worker_and_beat
from worker.local.valkey import embedded_valkey, is_reachable
from worker.settings import Settings, load_settings, without_password

_LOCAL = {"127.0.0.1", "localhost", "::1"}
_DEFAULT_PORT = 6379
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Concurrency = Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Processes of the worker.")]


def up(*, concurrency: Concurrency = 2) -> None:
    """Run Redis, worker and beat on this machine until stopped.

    Uses the Redis at REDIS_URL if one answers there. Otherwise starts the embedded Valkey at that address, with an
    append-only file. The database is DATABASE_URL, by default a SQLite file.
    """
    settings = load_settings()
    with (
        stopped_by_signals(),
        exclusive_folder(settings.home / ".zik" / "up", command="zik up") as folder,
        _redis(settings, folder) as url,
    ):
        with opened_engine(settings.database_url) as engine:
            say(f"database  {without_password(settings.database_url)}: {bring_up_schema(engine)}")
        with worker_and_beat(folder, env=settings.as_environment(), concurrency=concurrency) as processes:
            for process in processes:
                say(f"{process.name:<9} running, log in {process.log}")
            say(f"publish   XADD 'zik:{{events}}' '*' event '{{…}}' at {without_password(url)}")
            console.print("Ctrl-C stops everything. In another terminal: zik status --watch", style="bold")
            keep_running(processes, on_restart=_report_restart)


@contextmanager
def _redis(settings: Settings, folder: Path) -> Iterator[str]:
    url = settings.redis_url
    if is_reachable(url):
        say(f"redis     using the server at {without_password(url)}")
        yield url
        return
    address = urlsplit(url)
    if address.hostname not in _LOCAL or address.password or address.scheme != "redis":
        raise OperatorError(f"no Redis answers at {without_password(url)}: start it, or correct REDIS_URL")
    with embedded_valkey(folder / "valkey", port=address.port or _DEFAULT_PORT, durable=True):
        say(f"redis     embedded Valkey on {url}, data in {folder / 'valkey'}")
        yield url


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Make SIGTERM and a closed terminal end the block like Ctrl-C. Must be the outermost block."""
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    yield


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    # A second Ctrl-C must not interrupt the shutdown and leave a process running.
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise KeyboardInterrupt


def _report_restart(process: LocalProcess) -> None:
    errors.print(f"{process.name} exited with code {process.exit_code}; restarting it. See {process.log}", style="red")
