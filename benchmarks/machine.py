"""What the figures were measured on."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.servers import POSTGRES, Servers

_PACKAGES = ("celery", "kombu", "psycopg", "pydantic", "redis", "sqlalchemy")


def machine(servers: Servers | None = None) -> Mapping[str, Any]:
    """Processor, memory, load and versions; with `servers`, theirs too, and what a commit costs on this disk."""
    stated: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "packages": {name: version(name) for name in _PACKAGES},
    }
    if servers is None:
        return stated
    with servers.postgres() as connection, servers.redis() as client:
        info = client.info("server")
        stated["postgresql"] = connection.info.parameter_status("server_version")
        stated["valkey"] = info.get("valkey_version") or info["redis_version"]
        stated["postgresql_settings"] = dict(POSTGRES)
    stated["fsync_ms"] = _fsync_ms(servers.folder)
    return stated


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str:
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 -- the git in PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip()


def _fsync_ms(folder: Path, times: int = 50) -> float:
    """How long the disk takes to make one page durable."""
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(times):
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
        elapsed_s = time.perf_counter() - began
    path.unlink()
    return round(elapsed_s / times * 1000, 3)
