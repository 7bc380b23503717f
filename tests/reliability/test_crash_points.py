"""Real processes that kill themselves at each named point of a batch, and successors that must not notice (F1-F6)."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from signal import SIGKILL
from typing import Final, NamedTuple

import pytest
from sqlalchemy import Engine, inspect

from tests.support import oracle
from tests.support.events import play_payload, play_payloads
from tests.support.load import Load
from tests.support.processes import Process, count, eventually, running, running_worker, url_of
from tests.support.rollup_rows import assert_exact
from worker.database.engine import open_engine
from worker.database.schema import BootstrapOutcome, bring_up_schema
from worker.drain.drain import Drain
from worker.failpoints import POISON, Point
from worker.models import Base
from worker.settings import load_settings
from worker.statistics.listen_rule import ListenRule
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify
from worker.stream.consumer import EventStream

IN_A_DRAIN: Final = (
    Point.AFTER_READ,
    Point.AFTER_DECODE,
    Point.MID_TRANSACTION,
    Point.BEFORE_COMMIT,
    Point.AFTER_COMMIT,
    Point.AFTER_DEAD_LETTER,
    Point.MID_ACKNOWLEDGE,
    Point.AFTER_ACKNOWLEDGE,
)
COMMITTED: Final = IN_A_DRAIN[IN_A_DRAIN.index(Point.AFTER_COMMIT) :]
# What the next point tries too, but for a line or two in between: left to the full matrix.
NEXT_TO_ANOTHER: Final = {Point.AFTER_READ, Point.AFTER_DECODE}
EVENTS: Final = 400
BATCH: Final = 60


class Scene(NamedTuple):
    """A Redis in which events wait, with duplicates, dead letters and words out of order in every batch."""

    load: list[bytes]
    stream: EventStream
    redis_url: str
    folder: Path

    def drained(self, processes: int, point: Point, engine: Engine) -> None:
        """Run `zik drain`, several at once, all told to die at the point, until they have."""
        with ExitStack() as stack:
            started = [
                stack.enter_context(
                    running(
                        ["worker", "drain"],
                        folder=self.folder,
                        REDIS_URL=self.redis_url,
                        DATABASE_URL=url_of(engine),
                        ZIK_CRASH_AT=point,
                        ZIK_BATCH_SIZE=str(BATCH),
                    )
                )
                for _ in range(processes)
            ]
            for process in started:
                assert process.wait() == -SIGKILL, process.log

    def worker(self, engine: Engine, **environment: str) -> AbstractContextManager[Process]:
        return running_worker(
            redis_url=self.redis_url,
            database_url=url_of(engine),
            folder=self.folder,
            slots=2,
            ready=False,
            ZIK_BATCH_SIZE=str(BATCH),
            **environment,
        )


@pytest.fixture
def scene(stream: EventStream, redis_url: str, tmp_path: Path) -> Scene:
    payloads = Load(3, duplicates=0.1, bad=0.1).take(EVENTS)
    stream.append(payloads)
    return Scene(payloads, stream, redis_url, tmp_path)


def rows(engine: Engine) -> int:
    return sum(count(engine, table) for table in ("play_history", "favorites", "preferences", "dead_letters"))


def test_every_failpoint_is_tried_here() -> None:
    # A new point needs its own crash tests: add it to IN_A_DRAIN, or name here where it is tried.
    assert set(IN_A_DRAIN) | {Point.MID_BOOTSTRAP, Point.AT_POISON, Point.MID_AGGREGATION} == set(Point)


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=[pytest.mark.full] * (point in NEXT_TO_ANOTHER)) for point in IN_A_DRAIN]
)
def test_f1_to_f5_a_killed_drain_loses_and_doubles_nothing(point: Point, scene: Scene, engine: Engine) -> None:
    scene.drained(1, point, engine)
    # The point does what its name says: rows are there only after COMMIT.
    assert (rows(engine) > 0) == (point in COMMITTED)
    Drain(scene.stream, engine, "successor", batch_size=BATCH, abandoned_ms=0).run()
    oracle.check(scene.load, scene.stream, engine)


@pytest.mark.parametrize(
    "point",
    [point if point is Point.AFTER_COMMIT else pytest.param(point, marks=pytest.mark.full) for point in IN_A_DRAIN],
)
def test_f1_to_f5_three_killed_drains_lose_and_double_nothing(point: Point, scene: Scene, postgres: Engine) -> None:
    scene.drained(3, point, postgres)
    successors = [
        Drain(scene.stream, postgres, f"successor {number}", batch_size=BATCH, abandoned_ms=0) for number in range(3)
    ]
    for successor in successors:
        successor.run(budget_s=0)
    successors[0].run()
    oracle.check(scene.load, scene.stream, postgres)


def test_f3_rows_that_a_killed_drain_committed_are_duplicates(
    stream: EventStream, redis_url: str, postgres: Engine, tmp_path: Path
) -> None:
    scene = Scene(play_payloads(BATCH), stream, redis_url, tmp_path)
    stream.append(scene.load)
    scene.drained(1, Point.AFTER_COMMIT, postgres)
    assert stream.books().pending == BATCH
    Drain(stream, postgres, "successor", abandoned_ms=0).run()
    assert (stream.books().recorded, stream.books().duplicate) == (0, BATCH)
    oracle.check(scene.load, stream, postgres)


@pytest.mark.full
@pytest.mark.parametrize("point", IN_A_DRAIN)
def test_f6_children_dying_at_each_batch_lose_and_double_nothing(point: Point, scene: Scene, postgres: Engine) -> None:
    """Celery puts a new child in the place of a dead one, and that one dies too, until somebody mends the worker."""
    with scene.worker(postgres, ZIK_CRASH_AT=point) as sick:
        eventually(lambda: sick.log.count("signal 9 (SIGKILL)") >= 2, within_s=30, told=lambda: sick.log)
        assert sick.alive
    with scene.worker(postgres) as worker:
        eventually(lambda: scene.stream.books().waiting == 0, within_s=30, told=lambda: worker.log)
    oracle.check(scene.load, scene.stream, postgres)


@pytest.mark.parametrize("slots", [1, 3])
def test_f6_a_payload_that_kills_every_reader_is_buried_alone(
    slots: int, stream: EventStream, redis_url: str, postgres: Engine, tmp_path: Path
) -> None:
    good = play_payloads(200)
    stream.append([*good[:70], play_payload("poison", source=POISON.decode()), *good[70:]])
    with running_worker(
        redis_url=redis_url,
        database_url=url_of(postgres),
        folder=tmp_path,
        slots=slots,
        ready=False,
        ZIK_BATCH_SIZE=str(BATCH),
        ZIK_CRASH_AT=Point.AT_POISON,
    ) as worker:
        eventually(lambda: stream.books().waiting == 0, within_s=60, told=lambda: worker.log[-5_000:])
        stream.append(play_payloads(100, start=200))
        eventually(lambda: stream.books().waiting == 0, within_s=60, told=lambda: worker.log[-5_000:])
        # Once when it was new, once with all of its batch, once among fifty, three times alone. Celery notices a dead
        # process within 5 s, another process takes over from it at once.
        eventually(lambda: kills(worker) >= 6, within_s=20, told=lambda: worker.log[-5_000:])
    assert kills(worker) == 6
    assert count(postgres, "play_history") == 300
    assert count(postgres, "dead_letters", "reason = 'kills_reader'") == 1
    assert (stream.books().dead, stream.books().unaccounted) == (1, 0)


def kills(worker: Process) -> int:
    return worker.log.count("exited with 'signal 9 (SIGKILL)'")


# --- the bootstrap -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_f25_a_bootstrap_killed_midway_leaves_no_half_schema(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("empty_postgres_url") if kind == "postgres" else f"sqlite:///{tmp_path}/new.db"
    with running(["worker.db_init"], folder=tmp_path, DATABASE_URL=url, ZIK_CRASH_AT=Point.MID_BOOTSTRAP) as process:
        assert process.wait() == -SIGKILL, process.log
    engine = open_engine(load_settings(database_url=url).database_url)
    assert inspect(engine).get_table_names() == []
    assert bring_up_schema(engine).outcome is BootstrapOutcome.CREATED
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


# --- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sweeps", [1, 3])
def test_f29_a_sweep_killed_midway_leaves_statistics_exact(sweeps: int, scene: Scene, engine: Engine) -> None:
    Drain(scene.stream, engine, "only").run()
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                running(
                    ["worker", "aggregate"],
                    folder=scene.folder,
                    DATABASE_URL=url_of(engine),
                    ZIK_CRASH_AT=Point.MID_AGGREGATION,
                )
            )
            for _ in range(sweeps)
        ]
        codes = {process.wait() for process in started}
    # One that finds every user taken has nothing to die over.
    assert -SIGKILL in codes
    assert codes <= {-SIGKILL, 0}
    assert verify(engine, ListenRule()).exact
    refresh(engine, ListenRule())
    assert_exact(engine)
    assert verify(engine, ListenRule()).exact


def test_a_failpoint_is_refused_in_production(redis_url: str, tmp_path: Path) -> None:
    with running(
        ["worker", "drain"],
        folder=tmp_path,
        REDIS_URL=redis_url,
        DATABASE_URL="sqlite:///unused.db",
        ZIK_CRASH_AT="after_read",
        ZIK_PRODUCTION="true",
    ) as process:
        assert process.wait() == 1
    assert "ZIK_CRASH_AT" in process.log
