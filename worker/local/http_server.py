"""Run `zik serve` on 127.0.0.1, as `zik up` and `zik demo` do."""

import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

from worker.errors import OperatorError
from worker.local.process import LocalProcess
from worker.local.supervisor import Supervisor
from worker.local.valkey import free_port, is_free

DEFAULT_PORT: Final = 9641
_START_TIMEOUT_S: Final = 15.0
_PROBE_TIMEOUT_S: Final = 1.0


def is_http_installed() -> bool:
    """Whether the packages of the extra `http` are there."""
    return find_spec("granian") is not None and find_spec("starlette") is not None


def start_http_server(supervisor: Supervisor, folder: Path, *, env: Mapping[str, str]) -> str:
    """Serve HTTP, and return the URL once it answers. Another port is used where the default one is taken.

    Raises:
        OperatorError: the server does not start. Quotes the end of its log.
    """
    port = DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()
    command = [sys.executable, "-m", "worker", "serve", "--port", str(port)]
    server = LocalProcess("http", command, log=folder / "http.log", env=env)
    supervisor.start(server)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not answers(url):
        if not server.running or time.monotonic() > deadline:
            raise OperatorError(f"the HTTP server does not start; the end of its log:\n{server.log_tail()}")
        time.sleep(0.05)
    return url


def answers(url: str) -> bool:
    """Whether an HTTP server answers at the URL, whatever it says."""
    try:
        with urlopen(f"{url}/v1/health", timeout=_PROBE_TIMEOUT_S):  # noqa: S310 -- our own address
            return True
    except HTTPError:
        return True  # It listens, and says what it lacks.
    except OSError:
        return False
