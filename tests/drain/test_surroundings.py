"""What meets every event alike is the fault of the surroundings: the drain waits, and buries nothing (S3, S5)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
import redis
from sqlalchemy import Engine, event, text

from tests.support.events import entry_id_at, payload, play, play_payloads
from tests.support.processes import count
from worker.books import Outcome
from worker.database.engine import transaction
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError, WorkerUnfitError
from worker.stream.consumer import EventStream
from worker.stream.keys import FIELD, STREAM

# More than the attempts after which an entry counts as one that kills its readers.
MANY = 12


def failing(stream: EventStream, engine: Engine, error: type[BaseException], **options: Any) -> None:
    """Drain again and again, each time in a process of its own, which remembers nothing."""
    for _ in range(MANY):
        with pytest.raises(error):
            Drain(stream, engine, "a", **options).run()


def assert_recorded(number: int, stream: EventStream, engine: Engine) -> None:
    """A good worker comes, and finds every event; none was buried."""
    Drain(stream, engine, "a").run()
    assert (count(engine, "play_history"), count(engine, "dead_letters")) == (number, 0)
    assert (stream.books().recorded, stream.books().dead, stream.books().waiting) == (number, 0, 0)


# --- The worker's clock -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "skew", [timedelta(days=-30), timedelta(hours=-2), timedelta(days=2)], ids=["-30 d", "-2 h", "+2 d"]
)
def test_s3_a_worker_with_a_wrong_clock_reads_nothing(skew: timedelta, stream: EventStream, engine: Engine) -> None:
    recent = [
        payload(play(time=datetime.now(UTC).isoformat(), song={"title": f"{i}", "artist": "a"})) for i in range(5)
    ]
    stream.append(recent)
    failing(stream, engine, WorkerUnfitError, now=lambda: datetime.now(UTC) + skew)
    assert (stream.books().pending, stream.last_progress_s()) == (0, {})
    assert_recorded(5, stream, engine)


def test_s3_a_clock_that_is_set_during_a_drain_buries_nothing(stream: EventStream, sqlite: Engine) -> None:
    stream.append([payload(play(time=datetime.now(UTC).isoformat()))])
    skews = iter([timedelta(0)] * 2)

    def now() -> datetime:
        return datetime.now(UTC) + next(skews, timedelta(days=-30))

    with pytest.raises(WorkerUnfitError):
        Drain(stream, sqlite, "a", now=now).run()
    assert_recorded(1, stream, sqlite)


@pytest.mark.parametrize("minutes", [-4, 4])
def test_s3_a_clock_some_minutes_off_corrects_times_rightly(
    minutes: int, stream: EventStream, valkey: "redis.Redis", engine: Engine
) -> None:
    received = datetime.now(UTC)
    lost = play(time="1970-01-01T00:03:20Z", sent_at="1970-01-01T00:06:50Z")
    valkey.xadd(STREAM, {FIELD: payload(lost)}, id=entry_id_at(received))
    drain = Drain(stream, engine, "a", now=lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    assert drain.run().outcomes == {Outcome.RECORDED: 1}
    with transaction(engine) as session:
        played_at = str(session.scalar(text("SELECT played_at FROM play_history")))
    assert played_at.startswith(f"{received - timedelta(seconds=210):%Y-%m-%d %H:%M:%S}")


# --- A bug, a driver or a lack that meets every event --------------------------------------------


@contextmanager
def raising(engine: Engine, moment: str, error: Exception) -> Iterator[None]:
    """A driver with a bug at this moment of each transaction."""

    def fail(*_: object) -> NoReturn:
        raise error

    engine.dispose()
    event.listen(engine, moment, fail)
    try:
        yield
    finally:
        event.remove(engine, moment, fail)


@pytest.mark.parametrize(
    ("moment", "error"),
    [
        ("connect", TypeError("a bug in the driver")),
        ("connect", OSError("no more descriptors")),
        ("begin", ValueError("a bug in the driver")),
        ("commit", AttributeError("a bug in the driver")),
    ],
    ids=str,
)
def test_s5_a_database_that_cannot_be_used_buries_nothing(
    moment: str, error: Exception, stream: EventStream, engine: Engine
) -> None:
    stream.append(play_payloads(5))
    with raising(engine, moment, error):
        failing(stream, engine, DatabaseUnavailableError)
    assert_recorded(5, stream, engine)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")], ids=repr)
def test_s5_a_lack_of_memory_or_threads_buries_nothing(error: Exception, stream: EventStream, sqlite: Engine) -> None:
    def lack(*_: Any, **__: Any) -> NoReturn:
        raise error

    stream.append(play_payloads(5))
    failing(stream, sqlite, WorkerUnfitError, record=lack)
    assert_recorded(5, stream, sqlite)


def test_s5_a_bug_that_every_event_meets_buries_none(stream: EventStream, engine: Engine) -> None:
    def meet_a_bug(*_: Any, **__: Any) -> NoReturn:
        raise TypeError("a bug in zik")

    stream.append(play_payloads(5))
    errors = []
    for _ in range(MANY):
        with pytest.raises((TypeError, WorkerUnfitError)) as caught:
            Drain(stream, engine, "a", record=meet_a_bug).run()
        errors.append(caught.type)
    # When new, all together and by fifties; none is tried alone where a harmless event meets the bug too.
    assert errors == [TypeError] * 3 + [WorkerUnfitError] * (MANY - 3)
    assert_recorded(5, stream, engine)


def test_s5_a_bug_in_the_acknowledgement_blames_no_event(stream: EventStream, sqlite: Engine) -> None:
    class Forgetful(EventStream):
        def acknowledge(self, outcomes: Mapping[Outcome, list[str]]) -> int:
            raise TypeError(f"a bug in the client of Redis: {outcomes}")

    stream.append(play_payloads(5))
    failing(Forgetful(stream._redis), sqlite, TypeError)
    Drain(stream, sqlite, "a").run()
    assert (count(sqlite, "play_history"), count(sqlite, "dead_letters")) == (5, 0)


REFUSE_ALL = {
    "postgresql": "ALTER TABLE play_history ADD CONSTRAINT no_play CHECK (user_id < 0)",
    "sqlite": "CREATE TRIGGER no_play BEFORE INSERT ON play_history BEGIN SELECT RAISE(ABORT, 'no play'); END",
}
REFUSE_NONE = {
    "postgresql": "ALTER TABLE play_history DROP CONSTRAINT no_play",
    "sqlite": "DROP TRIGGER no_play",
}


def test_s5_a_database_that_refuses_every_play_buries_none(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(5))
    with transaction(engine) as session:
        session.execute(text(REFUSE_ALL[engine.dialect.name]))
    try:
        with pytest.raises(WorkerUnfitError, match="even a harmless event"):
            Drain(stream, engine, "a").run()
    finally:
        with transaction(engine) as session:
            session.execute(text(REFUSE_NONE[engine.dialect.name]))
    assert_recorded(5, stream, engine)


def test_the_proof_leaves_no_row_behind(stream: EventStream, engine: Engine) -> None:
    Drain(stream, engine, "a")._recorder.prove_well()
    tables = ("app_users", "songs", "play_history", "favorites", "preferences", "dead_letters", "stale_days")
    assert {table: count(engine, table) for table in tables} == dict.fromkeys(tables, 0)
