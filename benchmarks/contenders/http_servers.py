"""The servers that players can submit listens to: `zik serve`, and Maloja in an environment of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT, await_that
from benchmarks.rounds import console
from benchmarks.servers import Servers
from worker.local.http_server import answers
from worker.local.process import LocalProcess
from worker.local.valkey import free_port

MALOJA_PATH: Final = "/apis/listenbrainz/1/submit-listens"
MALOJA_TOKEN: Final = "benchmark"  # noqa: S105 -- of a server that lives for seconds


@contextmanager
def zik_serving(servers: Servers, *, workers: int) -> Iterator[int]:
    """`zik serve` without a rate limit. Gives its port."""
    port = free_port()
    # A benchmark has one token for all.
    env = {"REDIS_URL": servers.redis_url, "DATABASE_URL": servers.database_url, "ZIK_HTTP_RATE": "0"}
    command = [sys.executable, "-m", "worker", "serve", "--port", str(port), "--workers", str(workers)]
    with _serving(f"zik-{workers}", command, port, folder=servers.folder, env=env):
        yield port


@contextmanager
def bare_serving(servers: Servers, *, workers: int) -> Iterator[int]:
    """`http_floor` under the same server as zik. Gives its port."""
    port = free_port()
    setting = (
        "--interface",
        "asgi",
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--no-ws",
        "--log-level",
        "warning",
    )
    command = [sys.executable, "-m", "granian", *setting, "benchmarks.contenders.http_floor:app"]
    env = {"REDIS_URL": servers.redis_url, "PYTHONPATH": str(ROOT)}
    with _serving(f"bare-{workers}", command, port, folder=servers.folder, env=env):
        yield port


@contextmanager
def maloja_serving() -> Iterator[int]:
    """A new Maloja with an empty database. Gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="zik-maloja-") as name:
        folder = Path(name)
        (folder / "apikeys.yml").write_text(f"benchmark: {MALOJA_TOKEN}\n")
        env = {
            "MALOJA_DATA_DIRECTORY": name,
            "MALOJA_SKIP_SETUP": "yes",
            "MALOJA_FORCE_PASSWORD": MALOJA_TOKEN,
            "MALOJA_HOST": "127.0.0.1",
            "MALOJA_PORT": str(port),
            "MALOJA_LOGGING": "false",
        }
        command = [maloja_python(), "-m", "maloja", "run"]
        with _serving("maloja", command, port, folder=folder, env=env):
            yield port


@contextmanager
def _serving(name: str, command: Sequence[str], port: int, *, folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    process = LocalProcess(name, command, log=folder / f"{name}.log", env=env)
    try:
        process.start()
        await_that(lambda: answers(f"http://127.0.0.1:{port}"), running=process)
        yield
    finally:
        process.stop()


@cache
def maloja_python() -> str:
    """The Python of an environment with Maloja, made once; empty, with a word, where it cannot be installed."""
    folder = Path(tempfile.gettempdir()) / "zik-benchmark-data" / "maloja"
    python = folder / "bin" / "python"
    if python.exists():
        return str(python)
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    uv = shutil.which("uv") or "uv"
    draft = folder.with_suffix(".draft")
    try:
        subprocess.run([uv, "venv", "-q", "--clear", str(draft)], check=True, env=env)  # noqa: S603 -- our own words
        install = [uv, "pip", "install", "-q", "--python", str(draft / "bin" / "python"), "malojaserver"]
        subprocess.run(install, check=True, env=env)  # noqa: S603 -- our own words
    except (OSError, subprocess.CalledProcessError) as error:
        console.print(f"Maloja is left out: it cannot be installed here ({error})")
        return ""
    draft.rename(folder)
    return str(python)
