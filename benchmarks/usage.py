"""What running servers use: memory by kind of process, and what PostgreSQL has counted."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.servers import Servers

_KIB_PER_MB: Final = 1_000_000 / 1_024


def pss_mb(process: psutil.Process) -> float:
    """Its own memory, and its share of what it has in common with others."""
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / _KIB_PER_MB


def postmaster(servers: Servers) -> psutil.Process:
    """The PostgreSQL process that the others are children of."""
    with servers.postgres() as connection:
        row = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    return psutil.Process(int((Path(row[0] if row else "") / "postmaster.pid").read_text().splitlines()[0]))


def backends_cpu_s(servers: Servers) -> float:
    """Seconds of processor time of all PostgreSQL processes that have ended so far."""
    times = postmaster(servers).cpu_times()
    return float(times.children_user + times.children_system)


def memory_mb(servers: Servers) -> Mapping[str, float]:
    """Of the processes that this one has started, and of the servers', by kind."""
    used: dict[str, float] = defaultdict(float)
    server = postmaster(servers)
    for process in [*psutil.Process().children(recursive=True), server, *server.children()]:
        try:
            used[kind(process)] += pss_mb(process)
        except (OSError, psutil.Error, StopIteration):
            continue  # It has ended meanwhile.
    used.pop("", None)
    return dict(sorted(used.items()))


def kind(process: psutil.Process) -> str:
    """What a process is, by its command line; empty for the benchmark's own."""
    words = process.cmdline()
    if "celery" in words:
        return "beat" if "beat" in words else "workers"
    if "serve" in words:
        return "zik serve"
    name = process.name()
    return {"postgres": "PostgreSQL", "valkey-server": "Valkey"}.get(name, "")


@dataclass(frozen=True)
class Counters:
    wal_mb: float = 0.0
    autovacuums: int = 0
    dead_tuples: int = 0

    def since(self, before: "Counters") -> "Counters":
        """What was added; dead tuples are those there are."""
        return Counters(self.wal_mb - before.wal_mb, self.autovacuums - before.autovacuums, self.dead_tuples)


def counters(servers: Servers) -> Counters:
    with servers.postgres() as connection:
        row = connection.execute(
            "SELECT (SELECT wal_bytes / 1e6 FROM pg_stat_wal), sum(autovacuum_count), sum(n_dead_tup) "
            "FROM pg_stat_user_tables"
        ).fetchone()
    wal_mb, autovacuums, dead = row or (0, 0, 0)
    return Counters(float(wal_mb), int(autovacuums or 0), int(dead or 0))
