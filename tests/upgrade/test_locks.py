"""A migration that meets other people's transactions: it gives up in time, and recorders hardly notice it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest
from alembic import command
from sqlalchemy import Engine, text

from tests.support.processes import eventually
from worker.database.engine import opened_engine, snapshot, transaction
from worker.database.schema import Bootstrap, BootstrapOutcome, _alembic, bring_up_schema, current_revision
from worker.errors import DatabaseUnavailableError

_NEW_SONG: Final = text("INSERT INTO songs (identity, title, artist) VALUES (gen_random_uuid(), 'Parabola', 'Tool')")
_NEW_USER: Final = text("INSERT INTO app_users (username) VALUES ('ada')")
_WAITING_FOR: Final = text("""
    SELECT pid FROM pg_locks WHERE NOT granted AND relation = to_regclass(:name) AND mode LIKE '%Exclusive%'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")
_HELD_BY: Final = text("""
    SELECT relation::regclass::text FROM pg_locks
     WHERE granted AND pid = :pid AND mode IN ('AccessExclusiveLock', 'ShareRowExclusiveLock')
       AND relation::regclass::text IN ('app_users', 'songs', 'play_history', 'favorites', 'preferences', 'stale_days')
""")


@pytest.fixture
def last_schema(empty_postgres_url: str) -> Iterator[Engine]:
    """The schema of the release before, with its revision in place."""
    with opened_engine(empty_postgres_url) as engine:
        with transaction(engine) as session:
            command.upgrade(_alembic(session.connection()), "0001")
        yield engine


@contextmanager
def upgrading(engine: Engine) -> Iterator["Future[Bootstrap]"]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(bring_up_schema, engine)


@contextmanager
def held(engine: Engine, sql: str) -> Iterator[None]:
    """A transaction of somebody else, who has only looked, and does not end."""
    with opened_engine(engine.url.render_as_string(hide_password=False)) as own, own.begin() as connection:
        connection.execute(text(sql))
        yield


@dataclass
class Recorder:
    """Writes one song after the other, as patient as any recorder is."""

    engine: Engine
    written: int = 0
    refused: list[DatabaseUnavailableError] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def write_on(self) -> None:
        while not self.enough.wait(0.01):
            try:
                with transaction(self.engine) as session:
                    session.execute(_NEW_SONG)
                self.written += 1
            except DatabaseUnavailableError as error:
                self.refused.append(error)


@contextmanager
def recording(engine: Engine) -> Iterator[Recorder]:
    recorder = Recorder(engine)
    thread = threading.Thread(target=recorder.write_on)
    thread.start()
    try:
        yield recorder
    finally:
        recorder.enough.set()
        thread.join()


def waits_for(engine: Engine, table: str) -> list[int]:
    """Who waits for the table in order to change it."""
    with snapshot(engine) as session:
        return list(session.scalars(_WAITING_FOR, {"name": table}))


def waiter(engine: Engine, table: str) -> int:
    """The first who does, kept as soon as it is seen: a migration waits for two seconds only."""
    seen: list[int] = []

    def look() -> bool:
        seen.extend(waits_for(engine, table))
        return bool(seen)

    eventually(look, within_s=20)
    return seen[0]


def revision(engine: Engine) -> str | None:
    with snapshot(engine) as session:
        return current_revision(session.connection())


def test_f17_a_blocked_upgrade_gives_up_and_stalls_no_recorder(
    last_schema: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    # 7 s is longer than a recorder waits for a lock.
    with held(last_schema, "SELECT count(*) FROM songs"), recording(last_schema) as recorder:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match=r"pg_stat_activity.*zik init"):
            bring_up_schema(last_schema, give_up_s=7.0)
        assert time.monotonic() - began < 30
        assert revision(last_schema) == "0001"
        written = recorder.written
        eventually(lambda: recorder.written > written, within_s=10)
    assert recorder.refused == []
    assert "another transaction locks a table of zik" in caplog.text
    assert written > 0


def test_f17_the_upgrade_succeeds_once_the_transaction_ends(last_schema: Engine) -> None:
    with ExitStack() as somebody:
        somebody.enter_context(held(last_schema, "SELECT count(*) FROM songs"))
        with upgrading(last_schema) as upgrade:
            eventually(lambda: bool(waits_for(last_schema, "songs")), within_s=20)
            eventually(lambda: not waits_for(last_schema, "songs"), within_s=20)
            somebody.close()
            assert upgrade.result(60).outcome is BootstrapOutcome.UPGRADED


def test_f19_a_waiting_upgrade_holds_no_table_lock(last_schema: Engine) -> None:
    with ExitStack() as recorder:
        session = recorder.enter_context(transaction(last_schema))
        session.execute(_NEW_USER)
        with upgrading(last_schema) as upgrade:
            waiting = waiter(last_schema, "app_users")
            with snapshot(last_schema) as other:
                assert list(other.scalars(_HELD_BY, {"pid": waiting})) == []
            session.execute(_NEW_SONG)
            recorder.close()
            assert upgrade.result(60).outcome is BootstrapOutcome.UPGRADED
