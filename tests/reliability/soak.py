"""Random faults for as long as you like, then the oracle: `python -m tests.reliability.soak --minutes 10 --seed 1`.

One worker at a time, PostgreSQL, and a Valkey that syncs each write: whatever they have accepted, they must account
for. The seed decides on the events and on the order of the faults, not on the instant at which they meet the worker.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from sqlalchemy import Engine

from tests.support import oracle
from tests.support.load import Load
from tests.support.processes import Process, eventually, running_worker
from tests.support.rig import make_database
from tests.support.servers import Postgres, Valkey, own_postgres, own_valkey
from worker.database.engine import open_engine
from worker.errors import StreamUnavailableError
from worker.stream.consumer import EventStream
from worker.stream.keys import GROUP, STREAM

CHUNK: Final = 500
BATCH: Final = 200
_SETTLE_S: Final = 180.0


@dataclass
class Report:
    seed: int
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recorded: int = 0
    duplicates: int = 0
    dead: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return self.faults["worker killed"] + self.faults["child killed"]

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {times}" for name, times in sorted(self.faults.items()))
        return (
            f"seed {self.seed}: {self.events:,} events in {self.seconds:.0f} s; {self.kills} SIGKILLs ({faults}); "
            f"recorded {self.recorded:,}, duplicates caught {self.duplicates:,}, dead {self.dead:,}, "
            f"lost {self.lost}, doubled {self.doubled}"
        )


class Soak:
    """A worker among servers, all of which may be killed at any time."""

    def __init__(self, folder: Path, valkey: Valkey, postgres: Postgres, *, seed: int) -> None:
        self._folder, self._valkey, self._postgres = folder, valkey, postgres
        self._random = random.Random(seed)
        self._load = Load(seed, users=500, duplicates=0.05, bad=0.005)
        self._published: list[bytes] = []
        self._worker: Process | None = None
        self._stack = ExitStack()
        self._stream = EventStream.at(valkey.url)
        self.report = Report(seed)

    def close(self) -> None:
        self._stack.close()
        self._stream.close()

    # --- what goes on --------------------------------------------------------------------------------

    def hire(self) -> None:
        """A new worker, of the same name, in the place of the one that is gone."""
        self._stack.close()
        url = self._postgres.url("zik", user="zik_worker")
        self._worker = self._stack.enter_context(
            running_worker(
                redis_url=self._valkey.url,
                database_url=url,
                folder=self._folder,
                slots=2,
                ready=False,
                ZIK_BATCH_SIZE=str(BATCH),
            )
        )

    def supervise(self) -> None:
        """Start the worker again if it has ended by itself, as it does when a child dies before the pool is up."""
        if self._worker is not None and not self._worker.alive:
            self.report.faults["worker started again by its supervisor"] += 1
            self.hire()

    def publish(self, number: int) -> None:
        for _ in range(0, number, CHUNK):
            payloads = self._load.take(CHUNK)
            self._stream.append(payloads)
            self._published += payloads
        self.report.events = len(self._published)

    def until_at_work(self, *, within_s: float = 20.0) -> None:
        """Wait until the worker has finished some batches and has more to do, so that the next fault meets it there."""
        before = self._accounted()
        deadline = time.monotonic() + within_s
        while self._accounted() - before < BATCH and time.monotonic() < deadline:
            self.supervise()
            time.sleep(0.01)
        time.sleep(self._random.random() * 0.05)

    def _accounted(self) -> int:
        books = self._stream.books()
        return books.received - books.waiting

    # --- what goes wrong -----------------------------------------------------------------------------

    def kill_worker(self) -> None:
        assert self._worker is not None
        self._worker.kill()
        self.report.faults["worker killed"] += 1
        self.hire()

    def kill_child(self) -> None:
        assert self._worker is not None
        children = psutil.Process(self._worker._popen.pid).children()
        if children:
            os.kill(self._random.choice(children).pid, signal.SIGKILL)
            self.report.faults["child killed"] += 1

    def restart_valkey(self) -> None:
        self._valkey.kill()
        self._valkey.start()
        # Which of our own connections are broken, only a command could tell.
        self._stream.close()
        self._stream = EventStream.at(self._valkey.url)
        self.report.faults["Valkey restarted"] += 1

    def restart_postgres(self) -> None:
        self._postgres.stop("immediate")
        self._postgres.start()
        self.report.faults["PostgreSQL restarted"] += 1

    def destroy_group(self) -> None:
        with self._valkey.client() as valkey:
            valkey.xgroup_destroy(STREAM, GROUP)
        self.report.faults["group destroyed"] += 1

    def any_fault(self) -> None:
        faults: list[Callable[[], None]] = [
            self.kill_child, self.kill_worker, self.restart_valkey, self.restart_postgres, self.destroy_group,
        ]  # fmt: skip
        self._random.choices(faults, (5, 3, 1, 1, 1))[0]()

    def any_kill(self) -> None:
        self._random.choices([self.kill_child, self.kill_worker], (3, 2))[0]()

    # --- the end -------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until the worker has recorded everything, and ask the oracle."""
        log = self._worker
        eventually(self._dry, within_s=_SETTLE_S, every_s=0.2, told=lambda: log.log[-5_000:] if log else "")
        engine = open_engine(self._postgres.url("zik"))
        try:
            self._count(engine)
            oracle.check(self._published, self._stream, engine)
        finally:
            engine.dispose()

    def _dry(self) -> bool:
        self.supervise()
        with suppress(StreamUnavailableError):
            return self._stream.books().waiting == 0
        return False

    def _count(self, engine: Engine) -> None:
        wanted, found, books = oracle.expected(self._published), oracle.actual(engine), self._stream.books()
        self.report.recorded, self.report.duplicates, self.report.dead = books.recorded, books.duplicate, books.dead
        self.report.lost = (wanted.plays - found.plays).total() + (wanted.dead - found.dead).total()
        self.report.doubled = (found.plays - wanted.plays).total() + (found.dead - wanted.dead).total()


@contextmanager
def opened_soak(seed: int) -> Iterator[Soak]:
    with tempfile.TemporaryDirectory(prefix="zik-soak-") as name, ExitStack() as stack:
        folder = Path(name)
        valkey = stack.enter_context(own_valkey(folder / "valkey"))
        postgres = stack.enter_context(own_postgres())
        make_database(postgres)
        soak = Soak(folder, valkey, postgres, seed=seed)
        stack.callback(soak.close)
        soak.hire()
        yield soak


def kills_at_work(*, seed: int, events: int, kills: int) -> Report:
    """So many events, so many SIGKILLs, each while the worker has work at hand."""
    began = time.monotonic()
    with opened_soak(seed) as soak:
        try:
            while soak.report.kills < kills:
                soak.publish(events // kills)
                soak.until_at_work()
                soak.any_kill()
            soak.settle()
        finally:
            soak.report.seconds = time.monotonic() - began
    return soak.report


def soaked(*, seed: int, minutes: float, rate: int) -> Report:
    """`rate` events a second, and a fault of any kind every few seconds."""
    began = time.monotonic()
    chance = random.Random(seed)
    with opened_soak(seed) as soak:
        try:
            while time.monotonic() - began < minutes * 60:
                for _ in range(chance.randrange(2, 8)):
                    soak.supervise()
                    soak.publish(rate)
                    time.sleep(max(0.0, began + soak.report.events / rate - time.monotonic()))
                soak.any_fault()
            soak.settle()
        finally:
            soak.report.seconds = time.monotonic() - began
            sys.stdout.write(f"{soak.report}\n")
    return soak.report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rate", type=int, default=500, help="events a second, in steps of 500")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    soaked(seed=seed, minutes=given.minutes, rate=given.rate)


if __name__ == "__main__":
    main()
