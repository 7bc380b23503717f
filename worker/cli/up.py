import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from worker.cli.messages import say
from worker.errors import OperatorError
from worker.local.apart import apart
from worker.local.http_server import is_http_installed, start_http_server
from worker.local.services import exclusive_folder, folder_of_up, start_worker
from worker.local.supervisor import Supervisor
from worker.local.valkey import start_valkey
from worker.settings import Settings, load_settings, without_password

# The embedded Valkey listens on IPv4 only.
_LOCAL = {"127.0.0.1", "localhost"}
_DEFAULT_PORT = 6379
_CHECK_INTERVAL_S = 1.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Concurrency = Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Tasks that the worker runs at once.")]


def up(*, concurrency: Concurrency = 2) -> None:
    """Run Redis, a worker with beat, and the HTTP server on this machine until stopped.

    Uses the Redis at REDIS_URL if one answers there. Otherwise starts the embedded Valkey at that address, with an
    append-only file. The database is DATABASE_URL, by default a SQLite file. What ends is restarted.
    """
    settings = load_settings()
    with (
        stopped_by_signals(),
        exclusive_folder(folder_of_up(settings.home), command="zik up") as folder,
        Supervisor(report=report_restart) as supervisor,
    ):
        url = _redis(settings, folder, supervisor)
        done = apart("worker.cli.installation:bring_up", settings.database_url)
        say(f"database  {without_password(settings.database_url)}: {done}")
        start_worker(supervisor, folder, env=settings.as_environment(), concurrency=concurrency)
        say(f"worker    running, log in {folder / 'worker'}.log")
        _serve_players(settings, folder, supervisor)
        say(f"publish   XADD 'zik:{{events}}' '*' event '{{…}}' at {without_password(url)}")
        typer.secho("Ctrl-C stops everything. In another terminal: zik status --watch", bold=True)
        while True:
            time.sleep(_CHECK_INTERVAL_S)
            supervisor.check()


def _serve_players(settings: Settings, folder: Path, supervisor: Supervisor) -> None:
    if not is_http_installed():
        say("http      not served: pip install 'zik[http]'")
        return
    url = start_http_server(supervisor, folder, env=settings.as_environment())
    token, username, page = apart("worker.cli.installation:sign_in", settings.database_url, folder)
    say(f"http      listening on {url}, log in {folder / 'http'}.log")
    say(f"token     {token} of the user {username}; players: docs/players.md")
    say(f"page      {url}{page} for a browser; the token signs in")
    say("          another listener needs a token of their own: zik token create --user NAME --name PLAYER")


def _redis(settings: Settings, folder: Path, supervisor: Supervisor) -> str:
    url = settings.redis_url
    if apart("worker.local.valkey:is_reachable", url):
        say(f"redis     using the server at {without_password(url)}")
        return url
    address = urlsplit(url)
    has_login = address.username or address.password
    if address.hostname not in _LOCAL or has_login or address.scheme != "redis":
        raise OperatorError(f"no Redis answers at {without_password(url)}: start it, or correct REDIS_URL")
    start_valkey(supervisor, folder / "valkey", port=address.port or _DEFAULT_PORT)
    apart("worker.local.valkey:check", url)
    say(f"redis     embedded Valkey on {url}, data in {folder / 'valkey'}")
    return url


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


def report_restart(line: str) -> None:
    """For `Supervisor(report=…)`."""
    typer.secho(line, fg="red", err=True)
