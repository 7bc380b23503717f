"""zik as its operators run it: real Celery workers, a real stream, everything on."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.contenders.contender import Contender, Workload
from benchmarks.data import ENTRY_IDS
from benchmarks.hosts import Host
from benchmarks.processes import ROOT, Program, await_that, running
from benchmarks.servers import Servers
from worker.contract.codec import encode
from worker.stream.keys import BOOKS, FIELD, GROUP, STREAM

PROCESSES: Final = (1, 2, 3, 4)
BATCH_SIZES: Final = (1_000, 2_000, 5_000, 10_000)
_HELD: Final = f"{STREAM}:held"
_POLL_S: Final = 0.005
_GIVE_UP_S: Final = 600.0


@dataclass(frozen=True)
class Setup:
    """How zik is run. `tree` is the checkout whose `worker` runs, so that two versions can be compared.

    `batch_size`: ZIK_BATCH_SIZE; None leaves it at its default, as everyone does who has not read about it.
    `statistics`: with a beat, which asks for them every ten seconds. `hosts`: where the workers run, one on each.
    """

    processes: int = 2
    batch_size: int | None = None
    workers: int = 1
    tree: Path = ROOT
    statistics: bool = False
    hosts: tuple[Host, ...] = ()

    @property
    def slots(self) -> int:
        return self.processes * self.workers


def recording(setup: Setup, *, name: str = "zik") -> Contender:
    """Starts with an empty database."""
    each = f"celery -A worker worker -c {setup.processes}"
    size = "default settings" if setup.batch_size is None else f"ZIK_BATCH_SIZE={setup.batch_size}"
    return Contender(
        name=name,
        command=f"{setup.workers} x {each}" if setup.workers > 1 else each,
        settings=f"{setup.slots} process{'es' if setup.slots > 1 else ''}, {size}",
        run=partial(record_all, setup=setup),
        setup=setup,
    )


def record_all(workload: Workload, setup: Setup) -> float:
    """Events per second, from the stream's release to the last acknowledgement.

    Publishing costs as much as recording, so it must be over before the clock starts; and a worker that has just
    started asks for one more drain a second, which would measure its start. So the events wait under another key while
    the workers listen to a trickle of live events; when every process has taken part, RENAME releases all of them in
    one instant. An acknowledgement comes after its commit, so its end is never too early.
    """
    return record_into(workload, setup, cleared=workload.servers.clear)


def record_into(workload: Workload, setup: Setup, *, cleared: Callable[[], None]) -> float:
    """The same, into tables that hold what `cleared` leaves in them."""
    servers = workload.servers
    cleared()
    with servers.redis() as client:
        hold(client, workload.payloads)
        with workers(servers, setup):
            wake(client, setup.slots)
            before = finished(client)
            began = time.perf_counter()
            client.rename(_HELD, STREAM)
            _await_events(client, before + len(workload.payloads))
            elapsed_s = time.perf_counter() - began
    _check(workload)
    return len(workload.payloads) / elapsed_s


@contextmanager
def workers(servers: Servers, setup: Setup) -> Iterator[None]:
    """The workers, ready."""
    with ExitStack() as stack:

        def run(name: str, words: list[str], ready: str, host: Host | None = None) -> None:
            env = _environment(host.sees(servers) if host else servers, setup)
            command = ["celery", "-A", "worker", *words, "-l", "INFO"]
            program = Program([command], ready, env, setup.tree, prefix=host.prefix if host else ())
            stack.enter_context(running(program, folder=servers.folder / name))

        for number in range(setup.workers):
            words = ["worker", "-c", str(setup.processes), "-n", f"bench{number}@%h"]
            run(f"zik-{number}", words, " ready.", setup.hosts[number] if setup.hosts else None)
        if setup.statistics:
            run("zik-beat", ["beat", "-s", str(servers.folder / "beat"), "--pidfile", ""], "beat: Starting")
        yield


def _environment(servers: Servers, setup: Setup) -> dict[str, str]:
    return {
        "REDIS_URL": servers.redis_url,
        "DATABASE_URL": servers.postgres_uri,
        "CELERY_BROKER_URL": "",
        "ZIK_BATCH_SIZE": "" if setup.batch_size is None else str(setup.batch_size),
        "ZIK_UNKNOWN_USERS": "create",
        "ZIK_HOME": str(servers.folder),
    }


def hold(client: Any, payloads: list[bytes]) -> None:
    """Publish under another key, with the group that the workers read as."""
    publish(client, _HELD, payloads)
    client.xgroup_create(_HELD, GROUP, id="0")


def publish(client: Any, stream: str, payloads: Sequence[bytes]) -> None:
    """As if Redis had received all of them at the moment that their clients have stamped."""
    for start in range(0, len(payloads), 1_000):
        pipeline = client.pipeline(transaction=False)
        for payload in payloads[start : start + 1_000]:
            pipeline.xadd(stream, {FIELD: payload}, id=ENTRY_IDS)
        pipeline.execute()


def wake(client: Any, slots: int) -> None:
    """Send live events until every process of the pool listens to the stream, and none is left."""
    deadline = time.monotonic() + 60

    def listening() -> int:
        if not client.exists(STREAM):
            return 0
        return sum(row["inactive"] in range(600) for row in client.xinfo_consumers(STREAM, GROUP))

    while not client.exists(STREAM) or not client.xinfo_groups(STREAM) or listening() < slots:
        if time.monotonic() > deadline:
            raise AssertionError(f"{listening()} of {slots} processes listen")
        client.xadd(STREAM, {FIELD: _warm_up()})
        time.sleep(0.02)
    await_that(lambda: client.xlen(STREAM) == 0, every_s=0.001)


def finished(client: Any) -> int:
    """How many events have reached their end, by zik's own books."""
    return sum(int(count) for count in client.hvals(BOOKS))


def _warm_up() -> bytes:
    song = {"title": "Warm-up", "artist": "The Benchmarks"}
    now = datetime.now(UTC).isoformat()
    return encode({"v": 1, "id": str(uuid.uuid4()), "type": "play", "time": now, "user": "warm-up", "song": song})


def _await_events(client: Any, count: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_S
    while finished(client) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"zik finished {finished(client):,} of {count:,} events")
        time.sleep(_POLL_S)


def _check(workload: Workload) -> None:
    query = (
        "SELECT (SELECT count(*) FROM play_history JOIN app_users ON app_users.id = user_id "
        "WHERE username <> 'warm-up' AND username NOT LIKE 'stored-%'), (SELECT count(*) FROM dead_letters)"
    )
    with workload.servers.postgres() as connection:
        row = connection.execute(query).fetchone()
    expected = (len(workload.finished.plays), workload.finished.dead)
    if row != expected:
        raise AssertionError(f"zik stored {row} plays and dead letters of {expected}")
