"""Where the processor time of an event goes: one drain in this process, its PostgreSQL backend, and Valkey."""

import time
from collections.abc import Sequence
from typing import Final

import psutil

from benchmarks.contenders import zik
from benchmarks.data import Shape, payloads
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured
from benchmarks.servers import Servers, running_servers
from worker.drain.drain import Drain
from worker.drain.opening import opened_drain
from worker.settings import load_settings
from worker.stream.keys import STREAM
from worker.stream.measurements import PHASE_SECONDS

_UNIT: Final = "µs/event"
_CONSUMER: Final = "profile"


def measure(*, rounds: int, shape: Shape, setup: zik.Setup) -> Report:
    """Of the second half of the events, whose users and songs are mostly known by then."""
    batch_size = setup.batch_size or load_settings().batch_size
    with running_servers() as servers:
        lines = payloads(shape)
        taken = [_round(servers, lines, batch_size) for _ in range(rounds)]
        measured_on = machine(servers)
    report = [Line(name, Measured(tuple(each[name] for each in taken)), _UNIT) for name in taken[0]]
    return Report("profile", f"Processor time, {shape.kind}, batches of {batch_size:,}", measured_on, report)


def _round(servers: Servers, lines: Sequence[bytes], batch_size: int) -> dict[str, float]:
    servers.clear()
    half = len(lines) // 2
    settings = load_settings(redis_url=servers.redis_url, database_url=servers.postgres_uri, batch_size=batch_size)
    with opened_drain(settings, consumer=_CONSUMER) as drain:
        # The drain's phases are then in processor time, too, and nothing waits in this process but for its servers.
        drain.monotonic = time.process_time
        drain.stream.ensure_group()
        with servers.redis() as client:
            zik.publish(client, STREAM, lines[:half])
            drain.run()
            zik.publish(client, STREAM, lines[half:])
        before = _spent(drain)
        drain.run()
        after = _spent(drain)
    per_event = {name: (after[name] - before[name]) / (len(lines) - half) * 1e6 for name in after}
    servers_spent = per_event["Valkey"] + per_event["PostgreSQL"]
    return {"zik, all processes": servers_spent + per_event["zik, Python"], **per_event}


def _spent(drain: Drain) -> dict[str, float]:
    """Seconds of processor time so far."""
    with drain.engine.connect() as connection:
        backend = connection.connection.driver_connection
        backend_pid = backend.info.backend_pid if backend else 0
    phases = PHASE_SECONDS.read(drain.stream.measures())
    return {
        "zik, Python": time.process_time(),
        **{f"  of which {phase}": distribution.sum for phase, distribution in phases.items()},
        "PostgreSQL": _cpu_s(backend_pid),
        "Valkey": _cpu_s(int(drain.stream.server()["process_id"])),
    }


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
