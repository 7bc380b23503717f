"""Listens over HTTP, until the answer 200: `zik serve` beside the producer that writes to Redis alone, and Maloja."""

import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import cycle, islice
from typing import Final

from benchmarks import goals
from benchmarks.contenders import http_bodies as bodies
from benchmarks.contenders.http_load import Load, Served, is_wrk_installed, send
from benchmarks.contenders.http_servers import (
    MALOJA_PATH,
    MALOJA_TOKEN,
    bare_serving,
    maloja_python,
    maloja_serving,
    zik_serving,
)
from benchmarks.goals import Goal
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate
from benchmarks.servers import Servers, running_servers
from worker.database.engine import opened_engine
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.stream.producer import Producer

SECONDS: Final = 3.0
CONNECTIONS: Final = (1, 16, 64)
_BATCH_CONNECTIONS: Final = 16
_SUBMIT: Final = "/1/submit-listens"
_ONE_BY_ONE: Final = "the producer, one by one"
_BY_HUNDREDS: Final = f"the producer, by {bodies.BATCH}"
_FROZEN: Final = "frozen"
_MALOJA_IMPORTS: Final = f"Maloja, imports of {bodies.BATCH}"
_MALOJA_S: Final = 6.0


@dataclass
class _Run:
    """What is measured, for how long, and the latencies that come along with the events per second."""

    servers: Servers
    seconds: float
    token: str
    ports: Mapping[int, int]
    bare_ports: Mapping[int, int]
    latencies: dict[str, list[Served]] = field(default_factory=dict)

    def settle(self) -> None:
        """Empty Redis and its append-only file, so that every measurement begins alike."""
        with self.servers.redis() as client:
            client.flushall()
            client.bgrewriteaof()
            while (info := client.info("persistence"))["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"]:
                time.sleep(0.05)

    def send(self, name: str, load: Load, *, connections: int, seconds: float = 0.0) -> float:
        """Requests per second; over `seconds`, where one request may take long."""
        self.settle()
        served = send(load, connections=connections, seconds=seconds or self.seconds)
        self.latencies.setdefault(name, []).append(served)
        return served.requests_per_s


def measure(*, rounds: int, seconds: float) -> Report:
    """Send for so many seconds each. Valkey keeps an append-only file, which it syncs every second."""
    with ExitStack() as stack:
        servers = stack.enter_context(running_servers(durable_valkey=True))
        with servers.redis() as client:
            # Between the measurements instead, by `settle`.
            client.config_set("auto-aof-rewrite-percentage", 0)
        with opened_engine(servers.database_url) as engine:
            token = tokens.create(engine, bodies.USER, name="benchmark", scopes=[Scope.SUBMIT])
        ports = {workers: stack.enter_context(zik_serving(servers, workers=workers)) for workers in (1, 2)}
        bare_ports = {workers: stack.enter_context(bare_serving(servers, workers=workers)) for workers in (1, 2)}
        run = _Run(servers, seconds, token, ports, bare_ports)
        contenders = {**_producers(run), **_bare(run), **_zik(run), **_maloja(run)}
        taken = alternate({**contenders, _FROZEN: lambda: _frozen_s(run)}, rounds)
        measured_on = machine(servers)
    frozen_s = taken.pop(_FROZEN)
    lines = [Line(name, measured, note=_latency(run, name)) for name, measured in taken.items()]
    lines += [*_ratios(taken), *_latencies(run), Line(goals.HTTP_FROZEN.what, frozen_s, "s", goal=goals.HTTP_FROZEN)]
    facts = {"seconds": seconds, "client": "wrk" if is_wrk_installed() else "benchmarks.contenders.http_load"}
    return Report("http", "Listens accepted over HTTP", measured_on, lines, facts)


# --- Contenders -----------------------------------------------------------------------------------


def _producers(run: _Run) -> dict[str, Callable[[], float]]:
    payloads = bodies.payloads()

    def by(size: int) -> float:
        run.settle()
        waiting = cycle(payloads)
        producer = Producer.at(run.servers.redis_url)
        added, began = 0, time.perf_counter()
        while (elapsed_s := time.perf_counter() - began) < run.seconds:
            producer.append(list(islice(waiting, size)))
            added += size
        producer.close()
        return added / elapsed_s

    return {_ONE_BY_ONE: lambda: by(1), _BY_HUNDREDS: lambda: by(bodies.BATCH)}


def _add(  # noqa: PLR0913 -- Two say where to.
    run: _Run, measurements: dict[str, Callable[[], float]], name: str, load: Load, *, connections: int, events: int = 1
) -> None:
    measurements[name] = lambda: events * run.send(name, load, connections=connections)


def _bare(run: _Run) -> dict[str, Callable[[], float]]:
    """What remains of `_zik` where nobody checks anything."""
    measurements: dict[str, Callable[[], float]] = {}
    add = partial(_add, run, measurements)
    for workers, port in run.bare_ports.items():
        for connections in (1, _BATCH_CONNECTIONS):
            singles = Load(port, "/", run.token, bodies.payloads())
            add(f"{_bare_named(workers)}, singles at {connections}", singles, connections=connections)
        hundreds = Load(port, "/", run.token, bodies.json_lines())
        add(f"{_bare_named(workers)}, by {bodies.BATCH}", hundreds, connections=_BATCH_CONNECTIONS, events=bodies.BATCH)
    return measurements


def _zik(run: _Run) -> dict[str, Callable[[], float]]:
    singles, imports, json_lines = bodies.singles(), bodies.imports(), bodies.json_lines()
    measurements: dict[str, Callable[[], float]] = {}
    add = partial(_add, run, measurements)
    for workers, port in run.ports.items():
        for connections in CONNECTIONS:
            add(_singles(workers, connections), Load(port, _SUBMIT, run.token, singles), connections=connections)
        loads = {_imports(workers): (_SUBMIT, imports), _events(workers): ("/v1/events", json_lines)}
        for name, (path, content) in loads.items():
            load = Load(port, path, run.token, content)
            add(name, load, connections=_BATCH_CONNECTIONS, events=bodies.BATCH)
    return measurements


def _maloja(run: _Run) -> dict[str, Callable[[], float]]:
    """A new server each time: it takes a listen that it has for a duplicate, and costs less."""
    if not maloja_python():
        return {}
    singles, imports = bodies.singles(), bodies.imports()

    def by(name: str, content: list[bytes], connections: int) -> float:
        with maloja_serving() as port:
            load = Load(port, MALOJA_PATH, MALOJA_TOKEN, content)
            return run.send(name, load, connections=connections, seconds=_MALOJA_S)

    names = {connections: f"Maloja, singles at {connections}" for connections in (1, 16)}
    return {
        **{names[each]: lambda each=each: by(names[each], singles, each) for each in names},  # type: ignore[misc]
        _MALOJA_IMPORTS: lambda: bodies.BATCH * by(_MALOJA_IMPORTS, imports, 1),
    }


def _frozen_s(run: _Run) -> float:
    """How long a request waits for its answer, which must be a 503."""
    run.settle()
    headers = {"Authorization": f"Token {run.token}"}
    connection = HTTPConnection("127.0.0.1", run.ports[1], timeout=60)
    with _frozen(run.servers), closing(connection):
        began = time.perf_counter()
        connection.request("POST", _SUBMIT, bodies.single(), headers)
        status = connection.getresponse().status
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise AssertionError(f"answered {status} while Redis was frozen")
        return time.perf_counter() - began


@contextmanager
def _frozen(servers: Servers) -> Iterator[None]:
    with servers.redis() as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# --- Lines ----------------------------------------------------------------------------------------


def _named(workers: int) -> str:
    return "zik serve" if workers == 1 else f"zik serve --workers {workers}"


def _bare_named(workers: int) -> str:
    return "a server that checks nothing" + ("" if workers == 1 else f", {workers} processes")


def _singles(workers: int, connections: int) -> str:
    return f"{_named(workers)}, singles at {connections}"


def _imports(workers: int) -> str:
    return f"{_named(workers)}, imports of {bodies.BATCH}"


def _events(workers: int) -> str:
    return f"{_named(workers)}, /v1/events of {bodies.BATCH}"


def _ratios(taken: Mapping[str, Measured]) -> list[Line]:
    asked: list[tuple[Goal, str, str]] = [
        (goals.HTTP_SINGLES, _singles(1, 16), _ONE_BY_ONE),
        (goals.HTTP_SINGLES_2, _singles(2, 16), _ONE_BY_ONE),
        (goals.HTTP_IMPORTS, _imports(1), _BY_HUNDREDS),
        (goals.HTTP_IMPORTS_2, _imports(2), _BY_HUNDREDS),
        (goals.HTTP_EVENTS, _events(1), _BY_HUNDREDS),
        (goals.HTTP_EVENTS_2, _events(2), _BY_HUNDREDS),
    ]
    peers = [name for name in taken if name.startswith("Maloja, singles")]
    if peers:
        best = max(peers, key=lambda name: taken[name].median)
        asked.append((goals.HTTP_MALOJA, _singles(1, 16), best))
        asked.append((goals.HTTP_MALOJA_IMPORTS, _imports(1), _MALOJA_IMPORTS))
    return [Line(goal.what, taken[ours].against(taken[other]), "ratio", goal=goal) for goal, ours, other in asked]


def _latencies(run: _Run) -> list[Line]:
    one, many = run.latencies[_singles(1, 1)], run.latencies[_singles(1, 16)]
    p50, p99 = Measured(tuple(each.p50_ms for each in one)), Measured(tuple(each.p99_ms for each in many))
    return [
        Line(goals.HTTP_P50.what, p50, "ms", goal=goals.HTTP_P50),
        Line(goals.HTTP_P99.what, p99, "ms", goal=goals.HTTP_P99),
    ]


def _latency(run: _Run, name: str) -> str:
    served = run.latencies.get(name)
    if not served:
        return ""
    p50 = statistics.median(each.p50_ms for each in served)
    p99 = statistics.median(each.p99_ms for each in served)
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
